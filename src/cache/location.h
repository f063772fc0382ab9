// Where stores lie when nobody says so.
#ifndef LARDER_CACHE_LOCATION_H_
#define LARDER_CACHE_LOCATION_H_

#include <optional>
#include <string>

#include "larder/config.h"

namespace larder {

// An absolute path from the environment; nullopt when the variable is unset, empty or relative.
std::optional<std::string> absolute_path_variable(const char* name);

}  // namespace larder

#endif  // LARDER_CACHE_LOCATION_H_
