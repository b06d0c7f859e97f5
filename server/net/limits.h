/* What one client may take of the server: every number once, with its reason. Message limits stand
 * in protocol/messages.h. */
#ifndef SERVER_NET_LIMITS_H
#define SERVER_NET_LIMITS_H

/* Connections. Half-open = TLS handshake not finished: until then nobody has proven anything. */
#define CONNECTIONS_MAX       20000
#define FILES_OWN             256   /* of the store, its readers, pictures under way, the log */
#define FILES_LOW             12000 /* fewer are worth a warning */
#define HALF_OPEN_MAX         2048  /* the last of them waits some 3 s for its handshake */
#define HALF_OPEN_PER_ADDRESS 256   /* generous: a whole firm may stand behind one address */
#define LISTEN_BACKLOG        4096  /* the kernel takes less where net.core.somaxconn says so */
#define SWEEP_MS              500   /* how often deadlines are looked at */
#define HELLOS_A_TURN         4 /* handshakes that a turn of the loop begins: 5 ms, and then others */
#define HANDSHAKE_DEADLINE_MS 5000
#define IDLE_MS               90000 /* without an open stream; PINGs don't count */
#define REST_MS               5000  /* silent so long: memory that it can do without goes */
#define IDLE_PRESSED_MS       2000  /* the same where few connections are left */
#define WRITE_STALL_MS        30000 /* the client took no byte for so long */
#define TRIM_CONNECTIONS      256   /* a crowd whose memory is worth giving back */
#define DRAIN_MS              10000 /* SIGTERM: what still runs may finish */

/* Bytes on their way out. Kernel buffers count too: a client that doesn't read fills them first. */
#define SEND_BUFFER_BYTES       (256 * 1024)
#define OUT_BYTES_MAX           (64 * 1024) /* cipher bytes a connection, beside SO_SNDBUF */
#define ANSWER_QUEUE_BYTES_MAX  ((size_t)256 * 1024) /* plain bytes a stream; its worker waits */
#define ANSWER_STALL_MS         10000 /* a worker waits so long for room, then gives the stream up */
#define ANSWER_STALL_PRESSED_MS 2000  /* the same while other requests wait for a worker */

/* Requests. */
#define STREAMS_PER_CONNECTION  32
#define STREAM_WINDOW_BYTES     (256 * 1024)
#define CONNECTION_WINDOW_BYTES (1024 * 1024)
#define HEADER_FIELDS_MAX       64
#define HEADER_BYTES_MAX        (16 * 1024) /* names + values + 32 each, as RFC 9113 counts */
#define PATH_BYTES_MAX          4096
#define HEADER_DEADLINE_MS      10000
#define BODY_GRACE_MS           20000
#define BODY_RATE_BYTES_S       500           /* after the grace */
#define REFUSED_DRAIN_BYTES     (1024 * 1024) /* read on after an early refusal, then closed */
#define BODIES_BYTES_MAX        ((size_t)256 * 1024 * 1024) /* all request bodies held at once */
#define ENROL_BYTES_MAX         ((size_t)4096)
#define RESET_BURST             200 /* streams that the client may reset at once */
#define RESET_PER_S             20

/* Work. */
#define WORKERS          8
#define WORK_QUEUE_MAX   256 /* each may hold a whole body */
#define WRITER_QUEUE_MAX 512
#define WRITER_GROUP_MAX 64
#define BUSY_RETRY_S     1

/* Live streams. */
#define LIVE_STREAMS_MAX     17000 /* the rest of the connections is for syncs without a stream */
#define LIVE_KEEPALIVE_S     30    /* a stream says something at least so often */
#define LIVE_KEEPALIVE_S_MIN 2
#define LIVE_RETRY_S         30  /* to one too many; and up to as much again, by chance */
#define LIVE_CROWD           64  /* where more hold a scope, they are hinted one after the other */
#define LIVE_CROWD_HINTS_S   500 /* so many a second: each answers with a sync */

/* Pictures. */
#define PHOTO_QUOTA_MIB     512 /* that a device may bring a day, unless `serve` is told otherwise */
#define PHOTO_QUOTA_MIB_MAX 1048576
#define PHOTO_TOKEN_BYTES   ((size_t)16 * 1024) /* what the quota counts in */

/* Rates: tokens a second, burst. */
#define DEVICE_RATE_PER_S      100
#define DEVICE_RATE_BURST      200
#define ENROL_FAILURES_PER_MIN 5

#endif
