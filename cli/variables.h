// Variables that look like settings and are none.
#ifndef LARDER_CLI_VARIABLES_H_
#define LARDER_CLI_VARIABLES_H_

#include <string>

#include "larder/config.h"

namespace larder::cli {

// What to say about variables named LARDER_..., set to something, that no setting reads: the name
// is mistyped, perhaps. "" when there is none. Values are not shown.
std::string unknown_variables(const Config& config);

}  // namespace larder::cli

#endif  // LARDER_CLI_VARIABLES_H_
