/* The database's schema, embedded in the program as numbered steps (schema/NNNN_name.sql). */
#ifndef BROKER_JOURNAL_SCHEMA_H
#define BROKER_JOURNAL_SCHEMA_H

struct schema_step {
    int version;
    const char *name;
    const char *sql; /* several statements; runs in one transaction with the note that it ran */
};

int schema_newest(void);
/* version from 1 to schema_newest() */
const struct schema_step *schema_step(int version);

#endif
