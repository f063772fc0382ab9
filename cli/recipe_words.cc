#include "recipe_words.h"

#include <fmt/format.h>

#include <utility>

#include "file_io.h"
#include "larder/store.h"

namespace larder::cli {

Result<Recipe> recipe_of(const Options& options) {
  Recipe recipe(options.domain);
  for (const auto& [name, text] : options.fields) recipe.field(name, text);
  for (const auto& [name, path] : options.files) {
    const auto content = read_payload(path, max_payload_bytes_larder);
    if (!content) return std::unexpected(content.error());
    recipe.field(name, content->bytes());
  }
  return recipe;
}

Result<std::string> kept_recipe_of(const Options& options) {
  if (options.domain.empty()) return std::string();
  const auto recipe = recipe_of(options);
  if (!recipe) return std::unexpected(recipe.error());
  const auto made = recipe->fingerprint();
  if (!made) return std::unexpected(made.error());
  if (*made == options.fingerprint) return recipe->encode();
  return std::unexpected(
      Error{.code = Errc::invalid_argument,
            .message = fmt::format("these fields make the fingerprint {}, not {}; pass the fields "
                                   "that `larder fingerprint` was given",
                                   made->hex(), options.fingerprint.hex())});
}

}  // namespace larder::cli
