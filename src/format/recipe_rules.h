// What holds for every recipe, being built or being read back.
#ifndef LARDER_FORMAT_RECIPE_RULES_H_
#define LARDER_FORMAT_RECIPE_RULES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "larder/recipe.h"

namespace larder {

// One line that says what is wrong and what to do; empty when nothing is.
std::string domain_problem(std::string_view domain);
std::string name_problem(std::string_view name);

// The items of a list value; nullopt when its lengths do not add up.
std::optional<std::vector<std::string_view>> list_items(std::string_view value);

}  // namespace larder

#endif  // LARDER_FORMAT_RECIPE_RULES_H_
