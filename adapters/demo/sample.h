/* The file that names the case which visitors are shown. */
#ifndef DEMO_SAMPLE_H
#define DEMO_SAMPLE_H

#include <waybill/error.h>

/* {"case_no", "code", "link", "item_name"}: replaces the file as a whole, readable by its owner
 * only, since the code opens the case. */
int sample_write(const char *path, const char *case_no, const char *code, const char *link,
                 const char *item_name, struct wb_error *err);

#endif
