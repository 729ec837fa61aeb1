#include "adapters/lib/moment.h"

#include <stdio.h>
#include <string.h>

#include "proto/problem.h"

#define RFC3339 "rfc3339"

enum outcome { FITS, FITS_NOT, LACKS_OFFSET };

static bool has_conversion(const char *format, const char *letters) {
    for (const char *at = strchr(format, '%'); at && at[1]; at = strchr(at + 2, '%')) {
        const char *letter = at + 1 + strspn(at + 1, "_-0^#EO");
        if (*letter && strchr(letters, *letter))
            return true;
    }
    return false;
}

int moment_check(const char *format, bool has_zone, struct wb_error *err) {
    if (strcmp(format, RFC3339) == 0)
        return 0;
    bool day = has_conversion(format, "dejDFcxs"), month = has_conversion(format, "mbBhjDFcxs");
    if (!day || !month || !has_conversion(format, "yYDFcxs")) {
        problem(err, WB_E_USAGE, "the time format \"%.60s\" does not give a whole date", format);
        return problem_hint(err,
                            "write rfc3339 or a format of strptime(3): \"%%d.%%m.%%Y %%H:%%M\"");
    }
    if (has_conversion(format, "Z")) {
        problem(err, WB_E_USAGE, "the time format \"%.60s\" reads a zone's name (%%Z)", format);
        return problem_hint(err, "such names are ambiguous; use %%z, or time.zone for all times");
    }
    if (!has_zone && !has_conversion(format, "zs")) {
        problem(err, WB_E_USAGE, "times of the format \"%.60s\" have no offset from UTC", format);
        return problem_hint(err,
                            "say in which zone they are: time.zone, for example Asia/Shanghai");
    }
    return 0;
}

/* Without a zone, whether the text has an offset shows in whether the default matters. */
static enum outcome parse_rfc3339(const char *text, bool has_zone, struct timestamp *out) {
    size_t bytes = strlen(text);
    struct timestamp other;
    if (has_zone)
        return timestamp_parse_local(text, bytes, out) ? FITS : FITS_NOT;
    if (!timestamp_parse(text, bytes, 0, out) || !timestamp_parse(text, bytes, 1, &other))
        return FITS_NOT;
    return out->us == other.us ? FITS : LACKS_OFFSET;
}

static int refuse(const struct moment_formats *formats, const char *text, struct wb_error *err) {
    char value[PROBLEM_VALUE];
    problem(err, WB_E_FIELD_VALUE, "%s does not fit %s \"%.80s\"%s",
            problem_value(text, strlen(text), value),
            formats->count > 1 ? "any format; the first is" : "the time format",
            formats->count ? formats->formats[0] : RFC3339, formats->count > 1 ? ", …" : "");
    return problem_hint(err, "add its format to time.formats of the mapping");
}

int moment_parse(const struct moment_formats *formats, const char *text, struct timestamp *out,
                 struct wb_error *err) {
    static char rfc3339[] = RFC3339;
    char value[PROBLEM_VALUE];
    bool lacks_offset = false;
    for (size_t i = 0; i < (formats->count ? formats->count : 1); i++) {
        const char *format = formats->count ? formats->formats[i] : rfc3339;
        if (strcmp(format, RFC3339) != 0) {
            if (timestamp_parse_format(text, format, out))
                return 0;
            continue;
        }
        enum outcome outcome = parse_rfc3339(text, formats->has_zone, out);
        if (outcome == FITS)
            return 0;
        lacks_offset |= outcome == LACKS_OFFSET;
    }
    if (!lacks_offset)
        return refuse(formats, text, err);
    problem(err, WB_E_FIELD_VALUE, "%s has no offset from UTC",
            problem_value(text, strlen(text), value));
    return problem_hint(err, "say in which zone such times are: time.zone in the mapping");
}
