// SHA-256 whose state between two blocks can be kept and gone on from, by another process as well. OpenSSL 3 calls the
// functions deprecated since they cannot be replaced by a provider; nothing that replaced them gives the state out.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
