/* A small native key checker, written the usual way: open, verify, free. It does not defend itself. */
#include <stdlib.h>
#include <string.h>

struct key_handle {
    char *secret;
    size_t length;
    char label[240];
};

void *keyring_open(const char *secret)
{
    struct key_handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL)
        return NULL;
    handle->secret = strdup(secret);
    handle->length = strlen(secret);
    return handle;
}

int keyring_verify(void *pointer, const char *candidate)
{
    struct key_handle *handle = pointer;
    return strlen(candidate) == handle->length && memcmp(candidate, handle->secret, handle->length) == 0;
}

void keyring_free(void *pointer)
{
    struct key_handle *handle = pointer;
    free(handle->secret);
    free(handle);
}
