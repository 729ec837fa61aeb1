/* What the targets of the fuzzers share. A target is one function, LLVMFuzzerTestOneInput, that
 * gives bytes to a decoder and checks what comes out: not only that nothing breaks, but that it
 * keeps what its header promises. Built by clang it is run by libFuzzer (tests/fuzz/run); built by
 * gcc it goes once through its corpus, as a unit test (replay.c). */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Ends the program, and says what did not hold, where. Holds in every build, unlike assert. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))

_Noreturn void fuzz_failed(const char *condition, const char *file, int line);

/* A file that holds these bytes, for decoders that take a path; it lasts until the next call. */
const char *fuzz_file(const void *data, size_t bytes);

/* What standard error is told goes nowhere from here on; sanitizers and FUZZ_CHECK still speak. */
void fuzz_hush(void);

/* The bytes with a NUL behind them, as C string; the caller frees it. It ends at the first NUL. */
char *fuzz_text(const uint8_t *data, size_t bytes);

#endif
