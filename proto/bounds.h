/* The limits of the wire contract. Deployments may lower what Welcome announces, not raise it. */
#ifndef PROTO_BOUNDS_H
#define PROTO_BOUNDS_H

#define PROTOCOL_VERSION 1

#define LIMIT_EVENT_BYTES   65536   /* one encoded Event */
#define LIMIT_MESSAGE_BYTES 1048576 /* one ZeroMQ message, either way */
#define LIMIT_BATCH_EVENTS  1024
#define LIMIT_DEPTH         5 /* nesting of messages inside a ClientMessage or BrokerMessage */
#define LIMIT_NOTICES       32
#define LIMIT_ATTRIBUTES    64
#define LIMIT_FILTER_VALUES 64
#define LIMIT_FILTER_BYTES  256
#define LIMIT_SOURCE_BYTES  64
#define LIMIT_CASE_NO_BYTES 128
#define LIMIT_CASE_NODES    500 /* in one CaseAnswer, the newest */

#endif
