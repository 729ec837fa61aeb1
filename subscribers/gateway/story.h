/* The story of a case as its page tells it: from what the applicant may see (view.h) and the texts
 * of a language to the context of the templates. Decides everything that a template cannot: which
 * words, which order, what is still to be done. */
#ifndef SUBSCRIBERS_GATEWAY_STORY_H
#define SUBSCRIBERS_GATEWAY_STORY_H

#include <jansson.h>
#include <stdint.h>

struct language;

/* view: as view_case gives it. now_us: the wall clock, for what is due. A new reference, NULL
 * without memory. Members (absent ones are null, so that none is taken from an outer context):
 *   tone        moving, yours, paused, good, bad or closed
 *   item, case_no, headline, step, step_date, explain, kicker, since {text, iso}
 *   stamp {date, clock}
 *   rail [{label, state, word, date, now}]      state: done, now, next or stopped
 *   who {title, name, post, unit, agency, phone, tel, call, unknown}
 *   todo {title, notices [notice]}, outcome {rows [{label, text}]}
 *   nodes [{offset, id, stage, step, time {text, iso}, handler {text, phone, tel}, notices,
 * details, tag, mark, link {href, text}, late, struck, current}], the newest first truncated, facts
 * [{label, text}], through */
json_t *story_of(const json_t *view, const struct language *language, int64_t now_us);

#endif
