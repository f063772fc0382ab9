// The recipe that --domain, --field and --file describe.
#ifndef LARDER_CLI_RECIPE_WORDS_H_
#define LARDER_CLI_RECIPE_WORDS_H_

#include <string>

#include "larder/recipe.h"
#include "options.h"

namespace larder::cli {

// Errors: a file that cannot be read, as read_payload.
Result<Recipe> recipe_of(const Options& options);

// The recipe to keep with the entry of that fingerprint, encoded; empty when none is described.
// invalid_argument also when the fields make another fingerprint: the recipe would explain nothing.
Result<std::string> kept_recipe_of(const Options& options);

}  // namespace larder::cli

#endif  // LARDER_CLI_RECIPE_WORDS_H_
