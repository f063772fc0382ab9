#include "store/lease_table.h"

#include <tuple>
#include <utility>

namespace larder {

class LeaseTable::Handle final : public Lease {
 public:
  explicit Handle(std::shared_ptr<Held> held) noexcept : held_(std::move(held)) {}

  ~Handle() override {
    // In a forked child the lease is the parent's, and the mutex may stay locked for ever.
    if (!owned_ || held_->guard.forked()) return;
    const std::scoped_lock lock(held_->mutex);
    held_->fingerprints.erase(place_);
  }

  bool acquire(const Fingerprint& fingerprint) {
    const std::scoped_lock lock(held_->mutex);
    std::tie(place_, owned_) = held_->fingerprints.insert(fingerprint);
    return owned_;
  }

 private:
  std::shared_ptr<Held> held_;
  std::set<Fingerprint>::iterator place_;
  bool owned_ = false;
};

std::unique_ptr<Lease> LeaseTable::try_lease(const Fingerprint& fingerprint) {
  auto handle = std::make_unique<Handle>(held_);
  if (!handle->acquire(fingerprint)) return nullptr;
  return handle;
}

}  // namespace larder
