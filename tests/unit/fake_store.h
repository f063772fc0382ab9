// A store that does as it is told: every call can be made to fail, leases included.
#ifndef LARDER_TESTS_UNIT_FAKE_STORE_H_
#define LARDER_TESTS_UNIT_FAKE_STORE_H_

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "larder/store.h"

namespace larder {

class FakeStore final : public Store {
 public:
  // What each call answers; nullopt: it works. Set before the calls, not during them.
  std::optional<Errc> get_error = {}, put_error = {}, lease_error = {}, statistics_error = {};

  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint) override {
    const std::lock_guard lock(mutex_);
    ++counted_.lookups;
    if (get_error) return failed(*get_error, "get");
    const auto entry = entries_.find(fingerprint);
    if (entry == entries_.end()) return std::nullopt;
    return entry->second.artifact;
  }

  Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                   const PutOptions& options) override {
    const std::lock_guard lock(mutex_);
    if (put_error) {
      ++counted_.rejected_io;
      return failed(*put_error, "put");
    }
    ++counted_.puts;
    entries_[fingerprint] = {Artifact::copy_of(payload).value(), std::string(options.recipe)};
    return {};
  }

  Result<bool> remove(const Fingerprint& fingerprint) override {
    const std::lock_guard lock(mutex_);
    return entries_.erase(fingerprint) > 0;
  }

  Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint) override {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(fingerprint);
    if (entry == entries_.end()) return std::nullopt;
    EntryDetails details;
    details.recipe = entry->second.recipe;
    return details;
  }

  Result<void> flush() override {
    const std::lock_guard lock(mutex_);
    ++counted_.flushes;
    return {};
  }

  Result<void> visit(const EntryVisitor&) override { return failed(Errc::unsupported, "visit"); }
  Result<void> visit_strays(const StrayVisitor&, Repair) override { return {}; }
  Result<PruneReport> prune(const Budget&, DryRun) override { return PruneReport{}; }
  Result<PruneReport> clear() override { return PruneReport{}; }

  Metrics metrics() const override {
    const std::lock_guard lock(mutex_);
    Metrics metrics = counted_;
    metrics.entries = entries_.size();
    return metrics;
  }

  Durability durability() const override { return {.pending = 7}; }

  Result<std::unique_ptr<Lease>> try_lease(const Fingerprint& fingerprint) override {
    const std::lock_guard lock(mutex_);
    ++lease_tries_;
    if (lease_error) return failed(*lease_error, "lease");
    if (!leased_.insert(fingerprint).second) return nullptr;
    return std::make_unique<FakeLease>(*this, fingerprint);
  }

  Result<void> add_statistics(const Metrics& delta) override {
    const std::lock_guard lock(mutex_);
    if (statistics_error) return failed(*statistics_error, "statistics");
    ++statistics_added_;
    statistics_ += delta;
    return {};
  }
  Result<Metrics> statistics() override {
    const std::lock_guard lock(mutex_);
    return statistics_;
  }
  Result<void> reset_statistics() override { return {}; }
  std::string describe() const override { return "fake"; }

  int lease_tries() const {
    const std::lock_guard lock(mutex_);
    return lease_tries_;
  }
  int statistics_added() const {
    const std::lock_guard lock(mutex_);
    return statistics_added_;
  }
  std::size_t leases_held() const {
    const std::lock_guard lock(mutex_);
    return leased_.size();
  }

 private:
  struct Entry {
    Artifact artifact;
    std::string recipe;
  };

  class FakeLease final : public Lease {
   public:
    FakeLease(FakeStore& store, const Fingerprint& fingerprint)
        : store_(store), fingerprint_(fingerprint) {}
    ~FakeLease() override {
      const std::lock_guard lock(store_.mutex_);
      store_.leased_.erase(fingerprint_);
    }

   private:
    FakeStore& store_;
    Fingerprint fingerprint_;
  };

  static std::unexpected<Error> failed(Errc code, const char* call) {
    return std::unexpected(Error{.code = code, .message = std::string(call) + " failed as told"});
  }

  mutable std::mutex mutex_;
  std::map<Fingerprint, Entry> entries_;
  std::set<Fingerprint> leased_;
  Metrics counted_, statistics_;
  int lease_tries_ = 0;
  int statistics_added_ = 0;
};

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_FAKE_STORE_H_
