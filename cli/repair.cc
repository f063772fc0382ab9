#include "repair.h"

#include <utility>

namespace larder::cli {

Result<bool> repair(Store& store, const Fingerprint& fingerprint) {
  (void)store.get(fingerprint);  // its answer is what the next line sees
  const auto details = store.inspect(fingerprint);
  if (details) return true;
  if (details.error().code != Errc::corrupt) return false;
  auto removed = store.remove(fingerprint);
  if (!removed) return std::unexpected(std::move(removed).error());
  return true;
}

}  // namespace larder::cli
