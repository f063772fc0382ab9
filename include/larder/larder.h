// Everything of Larder but the C interface (larder_c.h) and the door to the system (file_system.h).
#ifndef LARDER_LARDER_H_
#define LARDER_LARDER_H_

#include "larder/artifact.h"
#include "larder/cache.h"
#include "larder/config.h"
#include "larder/error.h"
#include "larder/fingerprint.h"
#include "larder/keys.h"
#include "larder/metrics.h"
#include "larder/pack_store.h"
#include "larder/recipe.h"
#include "larder/remote.h"
#include "larder/store.h"

#endif  // LARDER_LARDER_H_
