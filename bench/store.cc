#include "store.h"

namespace larder::bench {

bool BenchStore::view(const Fingerprint&) { throw std::logic_error("no views here"); }

bool BenchStore::get_into(const Fingerprint&, std::span<std::byte>) {
  throw std::logic_error("no get_into here");
}

bool BenchStore::get_many(std::span<const Fingerprint> keys) {
  bool all = true;
  for (const Fingerprint& key : keys) all = get(key) && all;
  return all;
}

std::unique_ptr<BenchStore> BenchStore::another_handle() {
  throw std::logic_error("one handle only");
}

std::vector<const StoreKind*> built_stores() {
  std::vector<const StoreKind*> built;
  for (const StoreKind& kind : store_kinds()) {
    if (kind.open != nullptr) built.push_back(&kind);
  }
  return built;
}

}  // namespace larder::bench
