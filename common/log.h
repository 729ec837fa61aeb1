/* One line an event on standard error: time, level, part, words.
 *
 * 2026-03-02T08:00:00.123Z info  journal: connected to waybill on 127.0.0.1:5432
 *
 * Newlines and control characters in values are escaped, so that a peer cannot forge a line.
 * Secrets and applicants' data are never logged. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_level_set(enum log_level level);
int log_level_parse(const char *name); /* -1 if there is none of that name */
void log_write(enum log_level level, const char *part, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(part, ...) log_write(LOG_ERROR, part, __VA_ARGS__)
#define log_warn(part, ...)  log_write(LOG_WARN, part, __VA_ARGS__)
#define log_info(part, ...)  log_write(LOG_INFO, part, __VA_ARGS__)
#define log_debug(part, ...) log_write(LOG_DEBUG, part, __VA_ARGS__)

#endif
