#include <libpq-fe.h>
#include <pthread.h>
#include <sys/eventfd.h>

// <pthread.h> declares it for _GNU_SOURCE only, which a module cannot ask for.
extern int pthread_setname_np(pthread_t thread, const char *name);

/// Names the calling thread; the kernel keeps 15 bytes.
static inline int name_this_thread(const char *name) { return pthread_setname_np(pthread_self(), name); }
