#include "store/remote/absences.h"

#include <cstring>

namespace larder {

Absences::Slot& Absences::slot_of(const Fingerprint& fingerprint) {
  std::uint64_t first = 0;
  std::memcpy(&first, fingerprint.bytes.data(), sizeof first);
  return slots_[first % slots_.size()];
}

bool Absences::contains(const Fingerprint& fingerprint, Clock::time_point now) {
  if (slots_.empty()) return false;
  const std::scoped_lock lock(mutex_);
  const Slot& slot = slot_of(fingerprint);
  return slot.fingerprint == fingerprint && now < slot.until;
}

void Absences::remember(const Fingerprint& fingerprint, std::uint64_t moment,
                        Clock::time_point now) {
  if (slots_.empty()) return;
  const std::scoped_lock lock(mutex_);
  if (puts_.load() == moment) slot_of(fingerprint) = {fingerprint, now + time_};
}

void Absences::forget(const Fingerprint& fingerprint) {
  if (slots_.empty()) return;
  const std::scoped_lock lock(mutex_);
  ++puts_;
  Slot& slot = slot_of(fingerprint);
  if (slot.fingerprint == fingerprint) slot = {};
}

}  // namespace larder
