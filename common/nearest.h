/* The word that someone may have meant. */
#ifndef COMMON_NEAREST_H
#define COMMON_NEAREST_H

/* The one of the NULL-ended list that takes the fewest letters to be added, dropped or replaced;
 * the first of several. NULL if the list is empty. Only the first 63 bytes of a word count. */
const char *nearest(const char *word, const char *const *known);

#endif
