// Structures that carry their own size across the C interface.
#ifndef LARDER_FACE_C_OPTIONS_H_
#define LARDER_FACE_C_OPTIONS_H_

#include "larder/cache.h"
#include "larder/larder_c.h"

namespace larder {

// A caller with a shorter structure than ours gets defaults for the rest; one with a longer
// structure may not have set what we do not know.
Result<OpenOptions> options_from_c(const larder_options* options);

// Fills as much as the caller's structure holds.
Result<larder_code> metrics_to_c(const Metrics& metrics, larder_metrics& to);

}  // namespace larder

#endif  // LARDER_FACE_C_OPTIONS_H_
