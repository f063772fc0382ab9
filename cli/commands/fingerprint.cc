#include <fmt/format.h>

#include "commands/commands.h"
#include "document.h"
#include "recipe_words.h"

namespace larder::cli {

int run_fingerprint(const Options& options) {
  const auto recipe = recipe_of(options);
  if (!recipe) return fail(recipe.error());
  const auto fingerprint = recipe->fingerprint();
  if (!fingerprint) return fail(fingerprint.error());
  if (options.format == Format::json) {
    Document::object().set("fingerprint", fingerprint->hex()).print();
  } else {
    fmt::print("{}\n", fingerprint->hex());
  }
  return exit_ok;
}

}  // namespace larder::cli
