// Puts entries with recipes into the store directory that is named, as a program that embeds Larder
// does; the tests of `explain` and `diff` look at them. Prints the first two fingerprints.
#include <larder/larder.h>

#include <cstdio>

namespace {

using larder::Artifact;
using larder::Cache;
using larder::Recipe;
using larder::Result;

Recipe base() {
  return Recipe("example.org 2026-11 test v1").field("source", std::string_view("kernel"));
}

bool put(Cache& cache, const Recipe& recipe, std::string_view content) {
  const auto fingerprint = recipe.fingerprint();
  if (!fingerprint) return false;
  const auto made = cache.get_or_compile(
      *fingerprint, [&] { return Artifact::copy_of(content); }, recipe.encode());
  std::puts(fingerprint->hex().c_str());
  return made.has_value();
}

// An entry whose recipe belongs to another fingerprint.
bool put_with_wrong_recipe(Cache& cache) {
  const auto fingerprint = larder::Fingerprint::from_hex(std::string(64, 'c'));
  const std::string recipe = base().encode();
  return cache.put(*fingerprint, {}, {.recipe = recipe}).has_value();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto cache = larder::open({.location = std::string("file:") + argv[1], .memory_bytes = 0});
  if (!cache) {
    std::fprintf(stderr, "%s\n", cache.error().message.c_str());
    return 1;
  }
  const bool done = put(*cache, base().field("options", "-O2"), "one") &&
                    put(*cache, base().field("options", "-O3").field("version", 7u), "two") &&
                    put_with_wrong_recipe(*cache);
  return done && cache->flush() ? 0 : 1;
}
