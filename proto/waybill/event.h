/* The event and its parts, as protobuf-c generates them from event.proto, under
 * the names that the libraries use. A text that is not set is "", never NULL. */
#ifndef WAYBILL_EVENT_H
#define WAYBILL_EVENT_H

#include <waybill/v1/event.pb-c.h>

typedef Waybill__V1__Event wb_event;
typedef Waybill__V1__Handler wb_handler;
typedef Waybill__V1__Notice wb_notice;
typedef Waybill__V1__Record wb_record;
typedef Waybill__V1__Stage wb_stage;

#define WB_EVENT_INIT   WAYBILL__V1__EVENT__INIT
#define WB_HANDLER_INIT WAYBILL__V1__HANDLER__INIT
#define WB_NOTICE_INIT  WAYBILL__V1__NOTICE__INIT
#define WB_STAGE(name)  WAYBILL__V1__STAGE__STAGE_##name

#endif
