/* One process at a time publishes from a spool: whoever holds the lock on the file beside it, which
 * ends with the process and holds its number. */
#ifndef LIB_SPOOL_LOCK_H
#define LIB_SPOOL_LOCK_H

#include <stdbool.h>
#include <waybill/error.h>

/* A descriptor to give to spool_lock_release, or -1 and err. */
int spool_lock_take(const char *spool, struct wb_error *err);
void spool_lock_release(int lock); /* -1 is allowed */

/* Whether somebody holds it, and who: 0 if that cannot be told. */
bool spool_lock_held(const char *spool, long *pid);

#endif
