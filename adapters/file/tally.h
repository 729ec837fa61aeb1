/* How often each content was met within one trace: a hash set that is emptied for the next. */
#ifndef FILE_TALLY_H
#define FILE_TALLY_H

#include <stdint.h>

#define TALLY_MAX 1048576 /* different contents */

struct tally;

struct tally *tally_new(void); /* NULL without memory */
void tally_free(struct tally *tally);
void tally_clear(struct tally *tally);

/* How often the id (32 hexadecimal digits) was met before; -1 when the set is full or memory is
 * out. */
int64_t tally_met(struct tally *tally, const char *id);

#endif
