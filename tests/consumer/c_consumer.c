/* What a C program sees of Larder: opens, puts, gets, compiles, flushes, and makes every mistake.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "larder/larder_c.h"

static int failures = 0;

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      ++failures;                                                              \
      fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #condition); \
    }                                                                          \
  } while (0)

static const char some_hex[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static int remove_one(const char* path, const struct stat* info, int kind, struct FTW* place) {
  (void)info;
  (void)kind;
  (void)place;
  return remove(path);
}

static larder_fingerprint some_fingerprint(void) {
  larder_fingerprint fingerprint;
  CHECK(larder_fingerprint_from_hex(some_hex, &fingerprint, NULL) == LARDER_OK);
  return fingerprint;
}

static larder_cache* open_at(const char* directory, uint32_t mode) {
  larder_options options;
  larder_cache* cache = NULL;
  larder_error error;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.location = directory;
  options.mode = mode;
  CHECK(larder_open(&options, &cache, &error) == LARDER_OK);
  if (cache == NULL) {
    fprintf(stderr, "%s\n", error.message);
    exit(EXIT_FAILURE);
  }
  CHECK(error.code == LARDER_OK && error.message[0] == '\0');
  return cache;
}

static void check_names_and_hex(void) {
  const larder_fingerprint fingerprint = some_fingerprint();
  larder_fingerprint unused;
  larder_error error;
  char hex[65];
  CHECK(strcmp(larder_code_name(LARDER_OK), "ok") == 0);
  CHECK(strcmp(larder_code_name(LARDER_MISS), "miss") == 0);
  CHECK(strcmp(larder_code_name(LARDER_NO_SPACE), "no_space") == 0);
  CHECK(strcmp(larder_code_name(LARDER_BAD_CONFIG), "bad_config") == 0);
  CHECK(strcmp(larder_code_name(LARDER_UNREACHABLE), "unreachable") == 0);
  CHECK(strcmp(larder_code_name(-77), "unknown") == 0);
  CHECK(strlen(larder_version()) >= strlen("0.0.0"));
  CHECK(larder_fingerprint_to_hex(&fingerprint, hex, NULL) == LARDER_OK);
  CHECK(strcmp(hex, some_hex) == 0);
  CHECK(larder_fingerprint_from_hex("0011", &unused, &error) == LARDER_INVALID_ARGUMENT);
  CHECK(error.code == LARDER_INVALID_ARGUMENT && strstr(error.message, "64") != NULL);
  larder_free(NULL);
}

static void check_plain_verbs(larder_cache* cache) {
  const larder_fingerprint key = some_fingerprint();
  void* data = NULL;
  size_t size = 1;
  CHECK(larder_get(cache, &key, &data, &size, NULL) == LARDER_MISS);
  CHECK(larder_contains(cache, &key, NULL) == LARDER_MISS);
  CHECK(larder_remove(cache, &key, NULL) == LARDER_MISS);
  CHECK(larder_put(cache, &key, "binary", 6, NULL, 0, NULL) == LARDER_OK);
  CHECK(larder_contains(cache, &key, NULL) == LARDER_OK);
  CHECK(larder_get(cache, &key, &data, &size, NULL) == LARDER_OK);
  CHECK(size == 6 && data != NULL && memcmp(data, "binary", 6) == 0);
  larder_free(data);
  CHECK(larder_put(cache, &key, NULL, 0, NULL, 0, NULL) == LARDER_OK);
  data = NULL;
  CHECK(larder_get(cache, &key, &data, &size, NULL) == LARDER_OK);
  CHECK(size == 0 && data != NULL);
  larder_free(data);
  CHECK(larder_remove(cache, &key, NULL) == LARDER_OK);
  CHECK(larder_get(cache, &key, &data, &size, NULL) == LARDER_MISS);
}

static larder_recipe* make_recipe(const char* source) {
  const char* const options[] = {"-I", "-O2"};
  larder_recipe* recipe = NULL;
  CHECK(larder_recipe_new("example.org 2026-11 c v1", &recipe, NULL) == LARDER_OK);
  CHECK(larder_recipe_field_text(recipe, "source", source, NULL) == LARDER_OK);
  CHECK(larder_recipe_field_bytes(recipe, "binary", "\0\1", 2, NULL) == LARDER_OK);
  CHECK(larder_recipe_field_list(recipe, "options", options, 2, NULL) == LARDER_OK);
  CHECK(larder_recipe_field_unsigned(recipe, "width", 8, NULL) == LARDER_OK);
  CHECK(larder_recipe_field_signed(recipe, "level", -1, NULL) == LARDER_OK);
  CHECK(larder_recipe_field_boolean(recipe, "debug", 0, NULL) == LARDER_OK);
  return recipe;
}

static void check_recipes(void) {
  larder_recipe* recipe = make_recipe("kernel");
  larder_recipe* other = make_recipe("kernel 2");
  larder_fingerprint a, b, c;
  larder_error error;
  void* kept = NULL;
  size_t kept_size = 0;
  CHECK(larder_recipe_finish(recipe, &a, &kept, &kept_size, NULL) == LARDER_OK);
  CHECK(kept_size > 0 && memcmp(kept, "LRC\1", 4) == 0);
  larder_free(kept);
  CHECK(larder_recipe_finish(recipe, &b, NULL, NULL, NULL) == LARDER_OK);
  CHECK(larder_recipe_finish(other, &c, NULL, NULL, NULL) == LARDER_OK);
  CHECK(memcmp(&a, &b, sizeof a) == 0);
  CHECK(memcmp(&a, &c, sizeof a) != 0);
  CHECK(larder_recipe_field_text(recipe, "source", "again", NULL) == LARDER_OK);
  CHECK(larder_recipe_finish(recipe, &a, NULL, NULL, &error) == LARDER_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "source") != NULL);
  larder_recipe_free(recipe);
  larder_recipe_free(other);
  larder_recipe_free(NULL);
}

struct compiler {
  int runs;
  int status;
};

static int compile(void* context, larder_output* output) {
  struct compiler* compiler = context;
  ++compiler->runs;
  CHECK(larder_emit(NULL, "x", 1) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_emit(output, NULL, 1) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_emit(output, "two ", 4) == LARDER_OK);
  CHECK(larder_emit(output, "parts", 5) == LARDER_OK);
  if (compiler->status != 0) CHECK(larder_emit_message(output, "line 1: no") == LARDER_OK);
  return compiler->status;
}

static void check_compiling(larder_cache* cache) {
  larder_recipe* recipe = make_recipe("compiled");
  struct compiler compiler = {0, 3};
  larder_fingerprint key;
  larder_error error;
  void* kept = NULL;
  void* data = NULL;
  size_t kept_size = 0, size = 0;
  CHECK(larder_recipe_finish(recipe, &key, &kept, &kept_size, NULL) == LARDER_OK);
  CHECK(larder_get_or_compile(cache, &key, kept, kept_size, compile, &compiler, &data, &size,
                              &error) == LARDER_COMPILE_FAILED);
  CHECK(strcmp(error.message, "line 1: no") == 0 && data == NULL);
  compiler.status = 0;
  for (int i = 0; i < 2; ++i) {
    CHECK(larder_get_or_compile(cache, &key, kept, kept_size, compile, &compiler, &data, &size,
                                NULL) == LARDER_OK);
    CHECK(size == 9 && memcmp(data, "two parts", 9) == 0);
    larder_free(data);
  }
  CHECK(compiler.runs == 2); /* one failed, one served both */
  larder_free(kept);
  larder_recipe_free(recipe);
}

static void check_flush_and_metrics(larder_cache* cache) {
  larder_fingerprint* lost = NULL;
  size_t lost_count = 7;
  larder_metrics metrics;
  CHECK(larder_flush(cache, &lost, &lost_count, NULL) == LARDER_OK);
  CHECK(larder_flush(cache, NULL, NULL, NULL) == LARDER_OK);
  CHECK(larder_flush(cache, NULL, &lost_count, NULL) == LARDER_INVALID_ARGUMENT);
  memset(&metrics, 0, sizeof metrics);
  CHECK(larder_read_metrics(cache, &metrics, NULL) == LARDER_INVALID_ARGUMENT);
  metrics.struct_size = sizeof metrics;
  CHECK(larder_read_metrics(cache, &metrics, NULL) == LARDER_OK);
  CHECK(metrics.lookups == 9 && metrics.compiles == 2 && metrics.compile_failures == 1);
  CHECK(metrics.lookups == metrics.hits + metrics.absent);
  CHECK(metrics.flushes == 2 && metrics.entries == 1);
  /* A program built against an older header has a shorter structure: nothing behind it is touched.
   */
  memset(&metrics, 0xee, sizeof metrics);
  metrics.struct_size = offsetof(larder_metrics, hits);
  CHECK(larder_read_metrics(cache, &metrics, NULL) == LARDER_OK);
  CHECK(metrics.lookups == 9 && metrics.hits == 0xeeeeeeeeeeeeeeeeu);
}

static void check_wrong_arguments(larder_cache* cache) {
  const larder_fingerprint key = some_fingerprint();
  struct compiler compiler = {0, 0};
  larder_error error;
  void* data = NULL;
  size_t size = 0;
  CHECK(larder_open(NULL, NULL, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_get(NULL, &key, &data, &size, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_get(cache, NULL, &data, &size, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_get(cache, &key, NULL, &size, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_get(cache, &key, &data, NULL, &error) == LARDER_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "size") != NULL);
  CHECK(larder_put(cache, &key, NULL, 1, NULL, 0, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_put(cache, &key, "x", 1, NULL, 1, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_contains(NULL, &key, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_remove(cache, NULL, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_get_or_compile(cache, &key, NULL, 0, NULL, &compiler, &data, &size, NULL) ==
        LARDER_INVALID_ARGUMENT);
  CHECK(larder_flush(NULL, NULL, NULL, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_read_metrics(cache, NULL, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_fingerprint_to_hex(&key, NULL, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_recipe_new(NULL, NULL, NULL) == LARDER_INVALID_ARGUMENT);
  CHECK(larder_recipe_field_text(NULL, "a", "b", NULL) == LARDER_INVALID_ARGUMENT);
}

static void check_options(const char* directory) {
  struct {
    larder_options known;
    uint64_t unknown;
  } longer;
  larder_cache* cache = NULL;
  larder_error error;
  memset(&longer, 0, sizeof longer);
  longer.known.location = directory;
  CHECK(larder_open(&longer.known, &cache, &error) == LARDER_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "struct_size") != NULL);
  longer.known.struct_size = sizeof longer;
  longer.unknown = 1;
  CHECK(larder_open(&longer.known, &cache, NULL) == LARDER_INVALID_ARGUMENT);
  longer.unknown = 0;
  longer.known.mode = 99;
  CHECK(larder_open(&longer.known, &cache, NULL) == LARDER_INVALID_ARGUMENT);
  longer.known.mode = LARDER_MODE_READ_WRITE;
  longer.known.location = "tape:/dev/st0";
  CHECK(larder_open(&longer.known, &cache, &error) != LARDER_OK);
  CHECK(cache == NULL && error.message[0] != '\0');
  longer.known.location = directory;
  CHECK(larder_open(&longer.known, &cache, NULL) == LARDER_OK);
  larder_close(cache);
  larder_close(NULL);
}

static void check_modes(const char* directory) {
  const larder_fingerprint key = some_fingerprint();
  larder_cache* cache = open_at(directory, LARDER_MODE_MUST_HIT);
  void* data = NULL;
  size_t size = 0;
  CHECK(larder_get(cache, &key, &data, &size, NULL) == LARDER_MUST_HIT);
  larder_close(cache);
  cache = open_at(directory, LARDER_MODE_READ_ONLY);
  CHECK(larder_put(cache, &key, "x", 1, NULL, 0, NULL) == LARDER_READ_ONLY);
  larder_close(cache);
}

int main(void) {
  char directory[] = "/tmp/larder_c_consumer_??????";
  larder_cache* cache;
  memset(strchr(directory, '?'), 'X', 6); /* what mkdtemp wants */
  if (mkdtemp(directory) == NULL) return EXIT_FAILURE;
  check_names_and_hex();
  check_recipes();
  cache = open_at(directory, LARDER_MODE_READ_WRITE);
  check_plain_verbs(cache);
  check_compiling(cache);
  check_flush_and_metrics(cache);
  check_wrong_arguments(cache);
  larder_close(cache);
  check_options(directory);
  check_modes(directory);
  CHECK(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
