#include "apikey.h"

struct apikey *apikey_open(const char *secret)
{
    struct apikey *key = calloc(1, sizeof *key);
    if (key == NULL)
        return NULL;
    key->secret = strdup(secret);
    key->length = strlen(secret);
    return key;
}

int apikey_open_at(const char *secret, struct apikey **out)
{
    *out = apikey_open(secret);
    return *out == NULL ? -1 : 0;
}

int apikey_verify(struct apikey *key, const char *candidate)
{
    return strlen(candidate) == key->length && memcmp(candidate, key->secret, key->length) == 0;
}

void apikey_free(struct apikey *key)
{
    free(key->secret);
    free(key);
}

void apikey_free_at(struct apikey **key)
{
    apikey_free(*key);
}

int apikey_version(void)
{
    return 3;
}

size_t apikey_length(const char *secret)
{
    return strlen(secret);
}
