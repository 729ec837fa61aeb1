/* Standard input, output and error where a program was started with one of them closed. */
#ifndef COMMON_STANDARD_STREAMS_H
#define COMMON_STANDARD_STREAMS_H

#include <stdbool.h>

/* To be called before anything is opened: a socket or file that takes the number of a closed stream
 * would be read and written in its place. The number is taken by /dev/null, the wrong way round, so
 * that reading or writing the stream fails like that of a closed one. */
void standard_streams_keep(void);

/* Can standard input be read? Not where it was closed. */
bool standard_streams_readable(void);

#endif
