/* Addresses, ranges, and who is believed about whom a request comes from. */
#include "common/http_blocks.h"
#include "common/http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct address address_of(const char *text) {
    struct address address;
    assert_true(address_parse(text, strlen(text), &address));
    return address;
}

static void addresses_are_read_strictly(void **state) {
    (void)state;
    static const char *const bad[] = {"",         "1.2.3",     "1.2.3.4.5", "01.2.3.4", "256.1.1.1",
                                      "1.2.3.4 ", "[::1]",     "::1%lo",    ":::",      "fe80::1%1",
                                      "example",  "1.2.3.4/8", "0x7f.1"};
    struct address address;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (address_parse(bad[i], strlen(bad[i]), &address))
            fail_msg("'%s' was taken", bad[i]);
    char text[ADDRESS_TEXT];
    address = address_of("::ffff:192.0.2.7");
    assert_string_equal(address_format(&address, text), "192.0.2.7");
    address = address_of("2001:DB8:0::7");
    assert_string_equal(address_format(&address, text), "2001:db8::7");
}

static void ranges_hold_what_they_say(void **state) {
    (void)state;
    struct address_range ranges[4];
    struct wb_error err;
    int count =
        address_ranges_parse("127.0.0.1 10.0.0.0/8, 192.0.2.128/25,2001:db8::/33", ranges, 4, &err);
    assert_int_equal(count, 4);
    static const struct {
        const char *text;
        bool in;
    } cases[] = {
        {"127.0.0.1", true},        {"127.0.0.2", false},        {"10.255.0.1", true},
        {"11.0.0.1", false},        {"192.0.2.200", true},       {"192.0.2.127", false},
        {"2001:db8:7fff::1", true}, {"2001:db8:8000::1", false}, {"::ffff:10.1.1.1", true},
        {"::10.0.0.1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address address = address_of(cases[i].text);
        if (address_within(&address, ranges, 4) != cases[i].in)
            fail_msg("%s", cases[i].text);
    }
    static const char *const bad[] = {"10.0.0.0/33",
                                      "10.0.0.1/8",
                                      "::/129",
                                      "10.0.0.0/",
                                      "10.0.0.0/ 8",
                                      "nginx",
                                      "::/-1",
                                      "1.1.1.1 1.1.1.2 1.1.1.3 "
                                      "1.1.1.4 1.1.1.5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(address_ranges_parse(bad[i], ranges, 4, &err), -1);
        assert_int_equal(err.code, WB_E_CONFIG);
    }
}

/* Who the client is, where the peer 10.0.0.1 sent these lines. */
static const char *client_of(const char *header, const char *peer, const char *lines) {
    static char text[ADDRESS_TEXT];
    struct http_proxies proxies;
    struct wb_error err;
    struct http_limits limits = http_limits_default;
    char whole[2048];
    size_t used;
    assert_int_equal(http_proxies_parse(&proxies, "10.0.0.0/24 2001:db8:a::/64", header, &err), 0);
    snprintf(whole, sizeof whole, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);
    struct http_request *request = http_request_new(&limits);
    assert_int_equal(http_request_read(request, whole, strlen(whole), &used), 1);
    struct address from = address_of(peer);
    struct address client = http_client(&proxies, request, &from);
    http_request_free(request);
    return address_format(&client, text);
}

static void only_proxies_are_believed(void **state) {
    (void)state;
    static const struct {
        const char *peer, *lines, *client;
    } cases[] = {
        {"10.0.0.1", "", "10.0.0.1"},
        {"10.0.0.1", "X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"},
        {"10.0.0.1", "X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"},
        {"10.0.0.1", "X-Forwarded-For: [2001:db8::7]:4711\r\n", "2001:db8::7"},
        {"10.0.0.1", "X-Forwarded-For: 192.0.2.7:4711\r\n", "192.0.2.7"},
        /* A stranger says what it likes. */
        {"203.0.113.1", "X-Forwarded-For: 192.0.2.7\r\n", "203.0.113.1"},
        {"10.0.1.1", "X-Forwarded-For: 192.0.2.7\r\n", "10.0.1.1"},
        /* What the client made up stands further left than what the proxy wrote. */
        {"10.0.0.1", "X-Forwarded-For: 1.1.1.1, 192.0.2.7\r\n", "192.0.2.7"},
        {"10.0.0.1", "X-Forwarded-For: 10.0.0.9, 1.1.1.1 , 192.0.2.7\r\n", "192.0.2.7"},
        {"10.0.0.1", "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"},
        {"10.0.0.1", "X-Forwarded-For: \"1.1.1.1, 192.0.2.7\r\n", "192.0.2.7"},
        /* Proxies behind one another. */
        {"10.0.0.1", "X-Forwarded-For: 1.1.1.1, 192.0.2.7, 10.0.0.2\r\n", "192.0.2.7"},
        {"10.0.0.1", "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 2001:db8:a::1\r\n",
         "192.0.2.7"},
        {"10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"},
        /* What cannot be read is nobody: the last who can is it. */
        {"10.0.0.1", "X-Forwarded-For: 192.0.2.7, unknown\r\n", "10.0.0.1"},
        {"10.0.0.1", "X-Forwarded-For: 192.0.2.7, 1.2.3, 10.0.0.2\r\n", "10.0.0.2"},
        {"10.0.0.1", "X-Forwarded-For: 192.0.2.7:x\r\n", "10.0.0.1"},
        {"10.0.0.1", "X-Forwarded-For: 192.0.2.7:123456\r\n", "10.0.0.1"},
        {"10.0.0.1", "X-Forwarded-For: ,, 192.0.2.7 ,\r\n", "192.0.2.7"},
        {"10.0.0.1", "X-Forwarded-For:\r\n", "10.0.0.1"},
        /* The other header is the client's own. */
        {"10.0.0.1", "Forwarded: for=192.0.2.7\r\nX-Real-IP: 192.0.2.8\r\n", "10.0.0.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(client_of(NULL, cases[i].peer, cases[i].lines), cases[i].client);
}

static void forwarded_is_read_as_its_rfc_says(void **state) {
    (void)state;
    static const struct {
        const char *lines, *client;
    } cases[] = {
        {"Forwarded: for=192.0.2.7\r\n", "192.0.2.7"},
        {"Forwarded: For=\"192.0.2.7:4711\"\r\n", "192.0.2.7"},
        {"Forwarded: proto=https;for=\"[2001:db8::7]:4711\";by=10.0.0.1\r\n", "2001:db8::7"},
        {"Forwarded: for=\"[2001:db8::7]\";host=\"a,b;c\"\r\n", "2001:db8::7"},
        {"Forwarded: for=1.1.1.1, for=192.0.2.7\r\n", "192.0.2.7"},
        {"Forwarded: for=1.1.1.1\r\nForwarded: for=192.0.2.7, for=10.0.0.2\r\n", "192.0.2.7"},
        /* A quote left open by the client does not swallow what the proxy wrote. */
        {"Forwarded: for=\", for=192.0.2.7\r\n", "192.0.2.7"},
        {"Forwarded: for=1.1.1.1;host=\"x, for=\"[2001:db8::7]\"\r\n", "2001:db8::7"},
        {"Forwarded: for=192.0.2.7, for=unknown\r\n", "10.0.0.1"},
        {"Forwarded: for=_hidden, for=10.0.0.2\r\n", "10.0.0.2"},
        {"Forwarded: for=192.0.2.7;for=192.0.2.8\r\n", "10.0.0.1"},
        {"Forwarded: by=192.0.2.7\r\n", "10.0.0.1"},
        {"Forwarded: for=\"2001:db8::7\"\r\n", "10.0.0.1"}, /* needs brackets */
        {"Forwarded: for=[2001:db8::7]\r\n", "10.0.0.1"},   /* needs quotes */
        {"Forwarded: for=\"192.0.2.7\r\n", "10.0.0.1"},
        {"Forwarded: for=\r\n", "10.0.0.1"},
        {"Forwarded: for=\"\"\r\n", "10.0.0.1"},
        {"X-Forwarded-For: 192.0.2.7\r\n", "10.0.0.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(client_of("forwarded", "10.0.0.1", cases[i].lines), cases[i].client);
    struct http_proxies proxies;
    struct wb_error err;
    assert_int_equal(http_proxies_parse(&proxies, "", "x-real-ip", &err), -1);
}

static void hops_are_bounded(void **state) {
    (void)state;
    char lines[1024] = "X-Forwarded-For: 192.0.2.7";
    for (int i = 0; i < 40; i++)
        snprintf(lines + strlen(lines), sizeof lines - strlen(lines), ", 10.0.0.%d", 50 - i);
    snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "\r\n");
    assert_string_equal(client_of(NULL, "10.0.0.1", lines), "10.0.0.26");
}

/* Against counts kept the plain way. */
static void connections_are_counted_by_block(void **state) {
    (void)state;
    enum { BLOCKS = 500, PLACES = 512 };
    uint32_t counts[BLOCKS + 1] = {0};
    struct http_blocks blocks;
    size_t open = 0;
    assert_int_equal(http_blocks_open(&blocks, PLACES), 0);
    for (int i = 0; i < 200000; i++) {
        uint64_t block = 1 + (uint64_t)(i * INT64_C(2654435761) >> 7) % BLOCKS;
        bool leave = counts[block] && (i * INT64_C(40503) >> 9) % 2;
        if (leave) {
            http_blocks_leave(&blocks, block);
            counts[block]--, open--;
        } else {
            assert_int_equal(http_blocks_enter(&blocks, block), ++counts[block]);
            open++;
        }
    }
    for (uint64_t block = 1; block <= BLOCKS; block++)
        for (; counts[block]; counts[block]--)
            http_blocks_leave(&blocks, block);
    assert_int_equal(blocks.used, 0);
    size_t taken = 0;
    for (uint64_t block = 1; block < 5000; block++)
        taken += http_blocks_enter(&blocks, block) != 0;
    assert_in_range(taken, PLACES, 2 * PLACES);
    http_blocks_close(&blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_strictly),
        cmocka_unit_test(ranges_hold_what_they_say),
        cmocka_unit_test(only_proxies_are_believed),
        cmocka_unit_test(forwarded_is_read_as_its_rfc_says),
        cmocka_unit_test(hops_are_bounded),
        cmocka_unit_test(connections_are_counted_by_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
