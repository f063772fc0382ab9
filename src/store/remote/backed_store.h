// A local store with remote tiers behind it. The files: backed_store.cc looks up and fills back,
// backed_write.cc writes, uploads.h sends what need not be waited for.
//
// Whose truth: the local store's. What happens to a remote tier costs a miss or an upload, never
// the result of a call, unless the tier is `required`. Upkeep (visit, prune, clear, strays, flush's
// durability, statistics, leases) is of the local store alone: a tier is other machines' as well.
//
// A hit in a tier is fetched once and goes to the caller, to the local store, and to the tiers
// before it, in that order, unless somebody has put or removed the entry meanwhile. Several threads
// that look for the same fingerprint ask once.
//
// Crash: what is not uploaded yet is lost with the process, which loses nothing locally.
// Fork: a child has nothing queued; what the parent has queued the parent sends.
#ifndef LARDER_STORE_REMOTE_BACKED_STORE_H_
#define LARDER_STORE_REMOTE_BACKED_STORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "larder/remote.h"
#include "os/fork_aware.h"
#include "store/counters.h"
#include "store/remote/changes.h"
#include "store/remote/in_flight.h"
#include "store/remote/uploads.h"

namespace larder {

class BackedStore final : public Store {
 public:
  explicit BackedStore(const BackedStoreOptions& options);
  ~BackedStore() override;  // sends what is queued, for as long as options say, and stops

  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint) override;
  Result<std::vector<Lookup>> get_many(std::span<const Fingerprint> fingerprints) override;
  Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                   const PutOptions& options) override;
  Result<bool> remove(const Fingerprint& fingerprint) override;
  Result<bool> contains(const Fingerprint& fingerprint) override;
  Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint) override;
  Result<void> flush() override;
  Result<void> visit(const EntryVisitor& visitor) override;
  Result<void> visit_strays(const StrayVisitor& visitor, Repair repair) override;
  Result<PruneReport> prune(const Budget& budget, DryRun dry_run) override;
  Result<PruneReport> clear() override;
  Metrics metrics() const override;
  Durability durability() const override;
  Result<std::unique_ptr<Lease>> try_lease(const Fingerprint& fingerprint) override;
  Result<void> add_statistics(const Metrics& delta) override;
  Result<Metrics> statistics() override;
  Result<void> reset_statistics() override;
  std::string describe() const override;

 private:
  // What the log knows of a tier's.
  struct Trouble {
    std::atomic<bool> is_known = false;
    std::atomic<std::int64_t> quiet_until = 0;  // ticks of the steady clock
  };

  struct State {
    State(const BackedStoreOptions& options, const Uploads::Send& send)
        : troubles(options.tiers.size()), entry_troubles(options.tiers.size()) {
      for (std::size_t i = 0; i < options.tiers.size(); ++i) {
        uploads.push_back(std::make_unique<Uploads>(options.upload_capacity_bytes, send));
      }
    }

    Counters counters;
    InFlight<Result<std::optional<RemoteEntry>>> in_flight;
    std::vector<Trouble> troubles;        // of each tier
    std::vector<Trouble> entry_troubles;  // of each tier, with single entries
    Changes changes;                      // of the local store's entries
    // Of each tier, so that one that hangs holds up no other. The last ones: their threads use the
    // others.
    std::vector<std::unique_ptr<Uploads>> uploads;
  };

  using Found = Result<std::optional<RemoteEntry>>;

  static Lookup count(State& now, Lookup found) noexcept;
  Lookup look_behind(State& now, const Fingerprint& fingerprint, Lookup local);
  Found search(State& now, const Fingerprint& fingerprint);
  void ask_tier(State& now, std::size_t tier, std::span<const Fingerprint> all,
                std::vector<Lookup>& found);
  void fill_back(State& now, const Fingerprint& fingerprint, const RemoteEntry& entry,
                 std::size_t from, std::uint64_t seen);
  void note(State& now, std::size_t tier, const Error* error) const noexcept;
  void say(std::string_view what) const noexcept;
  static bool is_trouble(const Error& error) noexcept;

  static bool wants(const RemoteTier& tier, const PutOptions& options) noexcept;
  static bool is_queued(const RemoteTier& tier, std::span<const std::byte> payload) noexcept;
  void queue_all(State& now, const Fingerprint& fingerprint, std::span<const std::byte> payload,
                 const PutOptions& options) const;
  static void take_back(State& now, std::size_t tier, const Fingerprint& fingerprint);
  Result<void> send(State& now, const Fingerprint& fingerprint, std::span<const std::byte> payload,
                    const PutOptions& options);
  void queue(State& now, std::size_t tier, const Fingerprint& fingerprint,
             std::span<const std::byte> payload, const PutOptions& options,
             std::optional<Artifact>& copy) const;
  Sending send_now(State& now, const Upload& upload, const std::stop_token& stop) const noexcept;
  void drain(State& now) const noexcept;
  void tell_unsent(const Unsent& unsent, const std::string& tier) const;

  const BackedStoreOptions options_;
  const os::ForkAware<State> state_;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_BACKED_STORE_H_
