// Entries that a tier is to get at the next flush. They are served from here until then.
#ifndef LARDER_STORE_BEHIND_QUEUE_H_
#define LARDER_STORE_BEHIND_QUEUE_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "larder/artifact.h"
#include "larder/fingerprint.h"

namespace larder {

// Who wants the entry in the tier: a caller, who is told when it got lost, or a promotion, which is
// worth no word.
enum class Origin { put, promotion };

struct QueuedEntry {
  Artifact payload;
  std::string recipe;
  Origin origin = Origin::put;
  std::uint64_t sequence = 0;  // given by the queue, rising

  std::uint64_t cost_bytes() const noexcept;
};

// Any number of threads. Ordered maps: nobody can make them slow by choosing fingerprints.
class BehindQueue {
 public:
  explicit BehindQueue(std::uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  // False when there is no room; what was queued for the fingerprint is then still there. Throws
  // bad_alloc.
  bool push(const Fingerprint& fingerprint, QueuedEntry entry);

  std::optional<QueuedEntry> find(const Fingerprint& fingerprint) const;
  bool drop(const Fingerprint& fingerprint) noexcept;

  // The oldest one that was pushed no later than `last_sequence`.
  std::optional<Fingerprint> oldest(std::uint64_t last_sequence) const;
  std::uint64_t last_sequence() const noexcept;

  std::vector<std::pair<Fingerprint, std::uint64_t>> list() const;  // with the payload's bytes
  std::uint64_t size() const noexcept;

 private:
  const std::uint64_t capacity_bytes_;
  mutable std::mutex mutex_;
  std::map<Fingerprint, QueuedEntry> entries_;
  std::map<std::uint64_t, Fingerprint> order_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t last_sequence_ = 0;
};

}  // namespace larder

#endif  // LARDER_STORE_BEHIND_QUEUE_H_
