// A tier for tests of layered stores: a store in memory that fails as it is told, and counts.
#ifndef LARDER_TESTS_UNIT_FAULTY_STORE_H_
#define LARDER_TESTS_UNIT_FAULTY_STORE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "larder/store.h"

namespace larder {

// Set what it does before the calls, not during them.
class FaultyStore final : public Store {
 public:
  explicit FaultyStore(std::string name = "faulty") : name_(std::move(name)) {
    inner_ = make_memory_store().value();
  }

  // What each call answers; nullopt: it works.
  std::optional<Error> get_error = {}, put_error = {}, flush_error = {}, lease_error = {};
  std::optional<Error> visit_error = {}, remove_error = {};
  std::function<void()> after_get = {};
  std::optional<Stray> stray = {};      // what visit_strays tells of
  std::optional<Repair> repaired = {};  // as it was last asked to
  Metrics more_metrics = {};
  int inspections = 0;

  static Error failing(Errc code, std::vector<Fingerprint> fingerprints = {}) {
    return {.code = code, .message = "as told", .fingerprints = std::move(fingerprints)};
  }

  // Past the layered store, without counting as its look-up.
  bool has(const Fingerprint& fingerprint) {
    const auto details = inner_->inspect(fingerprint);
    return details && details->has_value();
  }

  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint) override {
    if (get_error) return std::unexpected(*get_error);
    auto found = inner_->get(fingerprint);
    if (after_get) after_get();
    return found;
  }
  Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                   const PutOptions& options) override {
    if (put_error) return std::unexpected(*put_error);
    return inner_->put(fingerprint, payload, options);
  }
  Result<bool> remove(const Fingerprint& fingerprint) override {
    if (remove_error) return std::unexpected(*remove_error);
    return inner_->remove(fingerprint);
  }
  Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint) override {
    ++inspections;
    return inner_->inspect(fingerprint);
  }
  Result<void> flush() override {
    if (flush_error) return std::unexpected(*flush_error);
    return inner_->flush();
  }
  Result<void> visit(const EntryVisitor& visitor) override {
    if (visit_error) return std::unexpected(*visit_error);
    return inner_->visit(visitor);
  }
  Result<void> visit_strays(const StrayVisitor& visitor, Repair repair) override {
    repaired = repair;
    if (stray) visitor(*stray);
    if (visit_error) return std::unexpected(*visit_error);
    return {};
  }
  Result<PruneReport> prune(const Budget& budget, DryRun dry_run) override {
    return inner_->prune(budget, dry_run);
  }
  Result<PruneReport> clear() override { return inner_->clear(); }
  Metrics metrics() const override {
    Metrics sum = more_metrics;
    return sum += inner_->metrics();
  }
  Durability durability() const override { return inner_->durability(); }
  Result<std::unique_ptr<Lease>> try_lease(const Fingerprint& fingerprint) override {
    if (lease_error) return std::unexpected(*lease_error);
    return inner_->try_lease(fingerprint);
  }
  Result<void> add_statistics(const Metrics& delta) override {
    return inner_->add_statistics(delta);
  }
  Result<Metrics> statistics() override { return inner_->statistics(); }
  Result<void> reset_statistics() override { return inner_->reset_statistics(); }
  std::string describe() const override { return name_; }

 private:
  const std::string name_;
  std::shared_ptr<Store> inner_;
};

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_FAULTY_STORE_H_
