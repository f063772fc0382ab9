/* The C interface of Larder. What holds for the whole file:
 *
 * 1. Every call that can fail returns a larder_code: LARDER_OK, LARDER_MISS where something may be
 *    absent, or one of the frozen error codes, which equal those of larder/error.h. The last
 * argument takes the details and may be NULL.
 * 2. Handles are opaque. Each has one call that makes it and one that ends it, which accepts NULL.
 * 3. Memory that a call hands out belongs to the caller, who gives it to larder_free, whatever it
 * is.
 * 4. No call keeps a pointer that it was given, except `log` of larder_options.
 * 5. Any number of threads may use one cache at the same time, except larder_close. A recipe
 * belongs to one thread at a time.
 * 6. NULL where something is needed is LARDER_INVALID_ARGUMENT. No exception comes out. */
#ifndef LARDER_LARDER_C_H_
#define LARDER_LARDER_C_H_

#include <stddef.h>
#include <stdint.h>

#include "larder/export.h"

#ifdef __cplusplus
#define LARDER_C_NOEXCEPT noexcept
extern "C" {
#else
#define LARDER_C_NOEXCEPT
#endif

/* NOLINTBEGIN(modernize-use-using): C has no other way to name a type. */

typedef int larder_code;
enum {
  LARDER_MISS = -1, /* no good entry: compile */
  LARDER_OK = 0,
  LARDER_INVALID_ARGUMENT = 1,
  LARDER_CORRUPT = 2,
  LARDER_NOT_OURS = 3,
  LARDER_TOO_LARGE = 4,
  LARDER_NO_SPACE = 5,
  LARDER_PERMISSION_DENIED = 6,
  LARDER_READ_ONLY = 7,
  LARDER_IO_ERROR = 8,
  LARDER_UNSAFE_DIRECTORY = 9,
  LARDER_NOT_A_STORE = 10,
  LARDER_WRONG_KIND = 11,
  LARDER_UNSUPPORTED_VERSION = 12,
  LARDER_NO_HOME = 13,
  LARDER_MUST_HIT = 14,
  LARDER_NOT_DURABLE = 15,
  LARDER_OUT_OF_MEMORY = 16,
  LARDER_COMPILE_FAILED = 17,
  LARDER_UNSUPPORTED = 18,
  LARDER_TIMED_OUT = 19,
  LARDER_ABSENT = 20,
  LARDER_EXISTS = 21,
  LARDER_BAD_CONFIG = 22,
  LARDER_UNREACHABLE = 23
};

/* "ok", "miss", "no_space", ...; "unknown" for a number that is no code. Static storage. */
LARDER_PUBLIC const char* larder_code_name(larder_code code) LARDER_C_NOEXCEPT;

/* "0.1.0". Static storage. */
LARDER_PUBLIC const char* larder_version(void) LARDER_C_NOEXCEPT;

typedef struct larder_error {
  larder_code code;
  int os_error;      /* errno of the failed system call, or 0 */
  char message[512]; /* one line: the thing, what happened, what to do; cut when longer */
} larder_error;

/* Ends the life of anything that a call handed out. Accepts NULL. */
LARDER_PUBLIC void larder_free(void* memory) LARDER_C_NOEXCEPT;

/* Fingerprints. */

typedef struct larder_fingerprint {
  uint8_t bytes[32];
} larder_fingerprint;

/* Exactly 64 lower-case hex digits; anything else is LARDER_INVALID_ARGUMENT. */
LARDER_PUBLIC larder_code larder_fingerprint_from_hex(const char* hex,
                                                      larder_fingerprint* fingerprint,
                                                      larder_error* error) LARDER_C_NOEXCEPT;

/* Writes 64 digits and a zero. */
LARDER_PUBLIC larder_code larder_fingerprint_to_hex(const larder_fingerprint* fingerprint,
                                                    char hex[65],
                                                    larder_error* error) LARDER_C_NOEXCEPT;

/* Recipes: the named fields that a fingerprint is made from. A mistake in a field (an empty or
 * repeated name) is reported by larder_recipe_finish. */

typedef struct larder_recipe larder_recipe;

/* `domain` says whose fields these are, with a date: "example.org 2026-11 opencl v1". */
LARDER_PUBLIC larder_code larder_recipe_new(const char* domain, larder_recipe** recipe,
                                            larder_error* error) LARDER_C_NOEXCEPT;
LARDER_PUBLIC larder_code larder_recipe_field_bytes(larder_recipe* recipe, const char* name,
                                                    const void* data, size_t size,
                                                    larder_error* error) LARDER_C_NOEXCEPT;
LARDER_PUBLIC larder_code larder_recipe_field_text(larder_recipe* recipe, const char* name,
                                                   const char* text,
                                                   larder_error* error) LARDER_C_NOEXCEPT;
LARDER_PUBLIC larder_code larder_recipe_field_unsigned(larder_recipe* recipe, const char* name,
                                                       uint64_t value,
                                                       larder_error* error) LARDER_C_NOEXCEPT;
LARDER_PUBLIC larder_code larder_recipe_field_signed(larder_recipe* recipe, const char* name,
                                                     int64_t value,
                                                     larder_error* error) LARDER_C_NOEXCEPT;
/* 0 is false, everything else true. */
LARDER_PUBLIC larder_code larder_recipe_field_boolean(larder_recipe* recipe, const char* name,
                                                      int value,
                                                      larder_error* error) LARDER_C_NOEXCEPT;
LARDER_PUBLIC larder_code larder_recipe_field_list(larder_recipe* recipe, const char* name,
                                                   const char* const* items, size_t item_count,
                                                   larder_error* error) LARDER_C_NOEXCEPT;

/* The fingerprint, and the recipe's own bytes to be kept beside the artifact; `kept` and
 * `kept_size` may both be NULL. The recipe can be finished again, also after more fields. */
LARDER_PUBLIC larder_code larder_recipe_finish(const larder_recipe* recipe,
                                               larder_fingerprint* fingerprint, void** kept,
                                               size_t* kept_size,
                                               larder_error* error) LARDER_C_NOEXCEPT;
LARDER_PUBLIC void larder_recipe_free(larder_recipe* recipe) LARDER_C_NOEXCEPT;

/* The cache. */

typedef struct larder_cache larder_cache;

enum {                             /* of larder_options.mode */
       LARDER_MODE_CONFIGURED = 0, /* as LARDER_DISABLE, _READONLY, _MUST_HIT and _REFRESH say */
       LARDER_MODE_READ_WRITE = 1, /* look up, compile on a miss, store */
       LARDER_MODE_READ_ONLY = 2,  /* look up, compile on a miss, write nothing */
       LARDER_MODE_MUST_HIT = 3,   /* a miss is LARDER_MUST_HIT; nothing is compiled or written */
       LARDER_MODE_REFRESH = 4,    /* do not look up: compile and replace */
       LARDER_MODE_DISABLED = 5    /* always compile; no look-up, no write */
};

enum { LARDER_LOG_DEBUG = 0, LARDER_LOG_INFO = 1, LARDER_LOG_WARNING = 2 };

/* Set everything to zero, then struct_size; zero is the default of each member. Later versions add
 * members at the end. */
typedef struct larder_options {
  size_t struct_size;      /* sizeof(larder_options) */
  const char* location;    /* "pack:DIR", "file:DIR", "vyre:DIR", "DIR"; NULL: LARDER_DIR ... */
  uint64_t max_size_bytes; /* on disk; 0: as configured, else 5 GiB */
  uint64_t memory_bytes;   /* in front of the disk; 0: 64 MiB, UINT64_MAX: none */
  int64_t wait_limit_ms;   /* for another owner's compile; 0: 10 minutes, negative: do not wait */
  uint32_t mode;
  /* Called by any thread; must stay valid until larder_close. NULL: no log. */
  void (*log)(void* context, int level, const char* message);
  void* log_context;
  const char* key_file; /* of secrets, as `larder key new` makes it; NULL: LARDER_KEY_FILE ... */
} larder_options;

/* `options` may be NULL: all defaults. The only moment at which the environment may refuse. */
LARDER_PUBLIC larder_code larder_open(const larder_options* options, larder_cache** cache,
                                      larder_error* error) LARDER_C_NOEXCEPT;

/* Does not flush. No other call may be running. */
LARDER_PUBLIC void larder_close(larder_cache* cache) LARDER_C_NOEXCEPT;

/* Hands out a copy of the verified bytes; `*data` is not NULL for an empty artifact either.
 * LARDER_MISS: absent, damaged or unreadable, larder_read_metrics tells them apart. */
LARDER_PUBLIC larder_code larder_get(larder_cache* cache, const larder_fingerprint* fingerprint,
                                     void** data, size_t* size,
                                     larder_error* error) LARDER_C_NOEXCEPT;

/* LARDER_OK when a get would hit, else LARDER_MISS. Verifies, and counts as a get does. */
LARDER_PUBLIC larder_code larder_contains(larder_cache* cache,
                                          const larder_fingerprint* fingerprint,
                                          larder_error* error) LARDER_C_NOEXCEPT;

/* `kept_recipe` comes from larder_recipe_finish, or is NULL with a size of 0. Visible to every
 * process afterwards; survives a power cut after the next larder_flush. */
LARDER_PUBLIC larder_code larder_put(larder_cache* cache, const larder_fingerprint* fingerprint,
                                     const void* data, size_t size, const void* kept_recipe,
                                     size_t kept_recipe_size,
                                     larder_error* error) LARDER_C_NOEXCEPT;

/* LARDER_MISS when there was none. */
LARDER_PUBLIC larder_code larder_remove(larder_cache* cache, const larder_fingerprint* fingerprint,
                                        larder_error* error) LARDER_C_NOEXCEPT;

/* What a compile function writes to. Valid during the call of that function only. */
typedef struct larder_output larder_output;

/* Appends to the artifact. Copies. */
LARDER_PUBLIC larder_code larder_emit(larder_output* output, const void* data,
                                      size_t size) LARDER_C_NOEXCEPT;

/* Sets the message of the error that larder_get_or_compile returns when the function fails. */
LARDER_PUBLIC larder_code larder_emit_message(larder_output* output,
                                              const char* message) LARDER_C_NOEXCEPT;

/* Returns 0 when what it emitted is the artifact; anything else: nothing is stored, and the call
 * returns LARDER_COMPILE_FAILED. */
typedef int (*larder_compile)(void* context, larder_output* output);

/* A verified hit, or what `compile` emits, which runs once among all threads and processes that
 * want this fingerprint at the same time. A broken store costs time only. */
LARDER_PUBLIC larder_code larder_get_or_compile(larder_cache* cache,
                                                const larder_fingerprint* fingerprint,
                                                const void* kept_recipe, size_t kept_recipe_size,
                                                larder_compile compile, void* context, void** data,
                                                size_t* size,
                                                larder_error* error) LARDER_C_NOEXCEPT;

/* After LARDER_OK, everything put before survives a power cut. LARDER_NOT_DURABLE hands out the
 * fingerprints that do not: put those again. `lost` and `lost_count` may both be NULL. */
LARDER_PUBLIC larder_code larder_flush(larder_cache* cache, larder_fingerprint** lost,
                                       size_t* lost_count, larder_error* error) LARDER_C_NOEXCEPT;

/* As larder/metrics.h explains them, in the same order. Later versions add members at the end. */
typedef struct larder_metrics {
  size_t struct_size; /* sizeof(larder_metrics) */
  uint64_t lookups;
  uint64_t hits;
  uint64_t absent;
  uint64_t corrupt;
  uint64_t io_errors;
  uint64_t skipped;
  uint64_t hit_bytes;
  uint64_t puts;
  uint64_t puts_unchanged;
  uint64_t put_bytes;
  uint64_t rejected_too_large;
  uint64_t rejected_no_space;
  uint64_t rejected_not_ours;
  uint64_t rejected_read_only;
  uint64_t rejected_io;
  uint64_t removals;
  uint64_t evictions;
  uint64_t evicted_bytes;
  uint64_t flushes;
  uint64_t flush_errors;
  uint64_t compiles;
  uint64_t compile_failures;
  uint64_t compile_waits;
  uint64_t promotions;
  uint64_t bytes;
  uint64_t entries;
} larder_metrics;

LARDER_PUBLIC larder_code larder_read_metrics(larder_cache* cache, larder_metrics* metrics,
                                              larder_error* error) LARDER_C_NOEXCEPT;

/* NOLINTEND(modernize-use-using) */

#ifdef __cplusplus
}
#endif

#endif /* LARDER_LARDER_C_H_ */
