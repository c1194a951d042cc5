/* A small key checker, written the usual way: open, verify, free. It does not defend itself. */
#include <stdlib.h>
#include <string.h>

struct apikey {
    char *secret;
    size_t length;
    char label[240];
};

struct apikey *apikey_open(const char *secret);
int apikey_open_at(const char *secret, struct apikey **out);
int apikey_verify(struct apikey *key, const char *candidate);
void apikey_free(struct apikey *key);
void apikey_free_at(struct apikey **key);
int apikey_version(void);
size_t apikey_length(const char *secret);
