/* A key library in the usual styles of C, for the tests of the native boundary. It does not defend itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct key {
    char *secret;
    size_t length;
    int references;
    char label[228];
};

typedef int (*callback)(void *);

void *key_open(const char *secret)
{
    struct key *key = calloc(1, sizeof *key);
    if (key == NULL || secret == NULL || *secret == '\0') {
        free(key);
        return NULL;
    }
    key->secret = strdup(secret);
    key->length = strlen(secret);
    key->references = 1;
    return key;
}

void *key_open_unseen(const char *secret) { return key_open(secret); }

int key_verify(void *handle, const char *candidate)
{
    struct key *key = handle;
    return strlen(candidate) == key->length && memcmp(candidate, key->secret, key->length) == 0;
}

int key_same(void *one, void *other) { return key_verify(one, ((struct key *)other)->secret); }

/* While the callback runs, the call is in progress. */
int key_visit(void *handle, callback visit) { return visit(handle); }

int key_each(callback visit, void *data) { return visit(data); }

void *key_retain(void *handle)
{
    ((struct key *)handle)->references++;
    return handle;
}

void key_free(void *handle)
{
    struct key *key = handle;
    if (--key->references > 0)
        return;
    free(key->secret);
    free(key);
}

int key_close(void *handle)
{
    key_free(handle);
    return 7;
}

/* Handles through arguments: 0 is success. */
int key_make(const char *secret, void **out)
{
    *out = key_open(secret);
    return *out == NULL ? -1 : 0;
}

int key_drop(void **handle)
{
    if (*handle != NULL)
        key_free(*handle);
    *handle = NULL;
    return 0;
}

/* Sessions are numbers, not addresses. */
static int open_sessions[8];

int session_open(unsigned long *session)
{
    for (int at = 1; at < 8; at++)
        if (!open_sessions[at]) {
            open_sessions[at] = 1;
            *session = (unsigned long)at;
            return 0;
        }
    return 48;
}

int session_sign(unsigned long session, int length) { return open_sessions[session] * length; }

int session_close(unsigned long session)
{
    if (!open_sessions[session])
        abort();
    open_sessions[session] = 0;
    return 0;
}

int session_count(void)
{
    int count = 0;
    for (int at = 1; at < 8; at++)
        count += open_sessions[at];
    return count;
}

/* A structure of the caller's own. */
struct context {
    int ready;
    char *secret;
};

int context_init(struct context *context, const char *secret)
{
    context->ready = 1;
    context->secret = strdup(secret);
    return 0;
}

int context_use(struct context *context) { return (int)strlen(context->secret); }

void context_clear(struct context *context)
{
    free(context->secret);
    context->ready = 0;
}

/* A pool that gives back the slot released last. */
static struct key pool[4];
static int pool_free_slots[4] = {3, 2, 1, 0};
static int pool_free_count = 4;

void *pool_open(const char *secret)
{
    struct key *key;
    if (pool_free_count == 0)
        return NULL;
    key = &pool[pool_free_slots[--pool_free_count]];
    key->secret = strdup(secret);
    key->length = strlen(secret);
    return key;
}

void *pool_open_unseen(const char *secret) { return pool_open(secret); }

void pool_close(void *handle)
{
    struct key *key = handle;
    free(key->secret);
    pool_free_slots[pool_free_count++] = (int)(key - pool);
}

int key_plain(int number) { return number + 1; }

int key_live(void) { return 1; }
