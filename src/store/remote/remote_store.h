// The store over a transport. The files: remote_store.cc looks up, remote_write.cc puts and
// removes, remote_upkeep.cc has the rest.
//
// Trust: what a server sends is a stranger's. It is decoded as an entry file of the larder layout
// is (docs/FORMAT.md): magic, lengths, tag over all, and the fingerprint under the tag. Only then
// it is a hit. What fails is `corrupt` and stays on the server: between our look and a removal
// another machine may have put a good one there. The next put replaces it.
//
// Crash: an upload that is cut off leaves the old object or none, as servers promise; where one
// does not, half an entry is a miss that is counted as corrupt.
//
// Concurrency: no lock of this store is held while the server is asked. Two puts of one fingerprint
// end with one of the two entries, whole: which one is the server's decision.
#ifndef LARDER_STORE_REMOTE_REMOTE_STORE_H_
#define LARDER_STORE_REMOTE_REMOTE_STORE_H_

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "format/entry.h"
#include "larder/remote.h"
#include "os/fork_aware.h"
#include "remote/transport.h"
#include "store/counters.h"
#include "store/kept_statistics.h"
#include "store/lease_table.h"
#include "store/remote/absences.h"
#include "store/remote/attempts.h"
#include "store/remote/breaker.h"
#include "store/remote/tier_file.h"

namespace larder {

// May be called again, in a forked child. Throws bad_alloc.
using MakeTransport = std::function<std::unique_ptr<remote::Transport>()>;

class RemoteStoreImpl final : public RemoteStore {
 public:
  // In the vyre layout there is no room for a fingerprint: it has to be read only.
  RemoteStoreImpl(const RemoteStoreOptions& options, MakeTransport make,
                  FileLayout layout = FileLayout::larder);
  ~RemoteStoreImpl() override;  // adds to the kept metrics

  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint) override;
  Result<std::optional<RemoteEntry>> fetch(const Fingerprint& fingerprint) override;
  Result<std::vector<Lookup>> get_many(std::span<const Fingerprint> fingerprints) override;
  Result<std::vector<Result<std::optional<RemoteEntry>>>> fetch_many(
      std::span<const Fingerprint> fingerprints) override;
  Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                   const PutOptions& options) override;
  Result<void> send(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                    const PutOptions& options, const std::stop_token& stop) override;
  Result<bool> remove(const Fingerprint& fingerprint) override;
  Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint) override;
  Result<void> flush() override;
  Result<void> visit(const EntryVisitor& visitor) override;
  Result<void> visit_strays(const StrayVisitor& visitor, Repair repair) override;
  Result<PruneReport> prune(const Budget& budget, DryRun dry_run) override;
  Result<PruneReport> clear() override;
  Metrics metrics() const override;
  bool has_keys() const override { return !options_.keys.empty(); }
  std::uint64_t max_entry_bytes() const override { return options_.max_entry_bytes; }
  Result<std::optional<std::int64_t>> server_time_s() override;
  RemoteMetrics remote_metrics() const override;
  RemoteMetrics kept_metrics() const override;
  Durability durability() const override { return {.durable = true}; }
  Result<std::unique_ptr<Lease>> try_lease(const Fingerprint& fingerprint) override;
  Result<void> add_statistics(const Metrics& delta) override;
  Result<Metrics> statistics() override;
  Result<void> reset_statistics() override;
  std::string describe() const override { return options_.url; }

 private:
  // What Metrics has no name for.
  struct Tally {
    std::atomic<std::uint64_t> lookups = 0;
    std::atomic<std::uint64_t> errors = 0;
    std::atomic<std::uint64_t> timeouts = 0;
    std::atomic<std::uint64_t> retries = 0;
    std::atomic<std::uint64_t> uploads_skipped = 0;
    std::atomic<std::uint64_t> upload_failures = 0;
    std::atomic<std::uint64_t> bytes_in = 0;
    std::atomic<std::uint64_t> bytes_out = 0;
    std::atomic<std::uint64_t> other_key = 0;
  };

  // In a row: one may be refused for what stands in its place.
  static constexpr std::uint32_t refused_uploads = 3;

  // What a forked child has anew: connections are the parent's.
  struct State {
    State(const RemoteStoreOptions& options, const MakeTransport& make)
        : transport(make()),
          breaker(options.breaker),
          writes({refused_uploads, options.breaker.pause}),
          absences(options.remember_absent) {}

    const std::unique_ptr<remote::Transport> transport;
    Breaker breaker;
    Breaker writes;  // of a server that lets us read and no more; reads go on
    Absences absences;
    Counters counters;
    Tally tally;
    LeaseTable leases;
    KeptStatistics statistics;
    std::mutex kept_mutex;
    RemoteMetrics kept;  // of this process's, what is in the file already
  };

  enum class For {
    reading,
    looking,  // before an upload, in whose place it says nothing good of the server
    writing,
  };

  std::unique_ptr<State> make_state(const MakeTransport& make) const;

  // One question to the server, asked again as long as that may help; the breakers hear what it
  // says. Who calls it was admitted.
  template <For purpose = For::reading, class Question>
  auto ask(State& now, const Attempts& attempts, const Question& question)
      -> std::invoke_result_t<const Question&, remote::Transport&, const remote::Patience&> {
    for (int tries = 1;; ++tries) {
      auto answer = question(*now.transport, attempts.patience());
      if (answer) {
        if (purpose != For::looking) tell_alive(now);
        return answer;
      }
      if (!attempts.again(answer.error(), tries)) {
        tell_breakers(now, attempts, tries, answer.error().code, purpose);
        return answer;
      }
      now.tally.retries.fetch_add(1, std::memory_order_relaxed);
    }
  }

  bool admit(State& now) const noexcept;
  void tell_alive(State& now) const noexcept;
  void tell_silent(State& now) const noexcept;
  void tell_refused(State& now, const Attempts& attempts) const noexcept;
  void tell_breakers(State& now, const Attempts& attempts, int tries, Errc code,
                     For purpose) const noexcept;
  void ask_others_to_pause() const noexcept;
  void keep_metrics(State& now) const noexcept;
  std::unexpected<Error> not_asked() const;
  std::string name_of(const Fingerprint& fingerprint) const;
  std::uint64_t largest_object() const noexcept;

  struct Fetched {
    ArtifactBuffer bytes;
    format::DecodedEntry entry;
  };
  using Found = Result<std::optional<Fetched>>;
  using Received = Result<std::optional<ArtifactBuffer>>;
  Found look_up(State& now, const Fingerprint& fingerprint);
  std::vector<Found> look_up_many(State& now, std::span<const Fingerprint> fingerprints);
  std::vector<Received> receive_in_time(State& now, const Attempts& attempts,
                                        std::span<const std::string> names);
  void ask_for_late(State& now, std::span<const std::string> names,
                    std::vector<Received>& received);
  std::vector<Received> receive_many(State& now, std::span<const std::string> names);
  void tell_of_many(State& now, const Attempts& attempts, std::span<const Received> received) const;
  Found examine(State& now, const Fingerprint& fingerprint, Received received) const;
  static bool is_of_other_key(const Found& examined) noexcept;
  Found verify(const Fingerprint& fingerprint, Found found) const;
  static Lookup to_artifact(Found found);
  static Result<std::optional<RemoteEntry>> to_entry(Found found);
  template <class Answer, class Make>
  Result<std::vector<Answer>> in_batches(std::span<const Fingerprint> fingerprints,
                                         const Make& make);
  Received receive(State& now, const Attempts& attempts, const Fingerprint& fingerprint);
  static void count(State& now, const Found& found) noexcept;
  static void count_lookups(State& now, std::uint64_t Metrics::* outcome,
                            std::uint64_t number) noexcept;
  Found conclude(State& now, const Fingerprint& fingerprint, Received received,
                 std::uint64_t moment) const;

  Result<void> check_put(std::size_t payload_bytes, std::size_t recipe_bytes) const;
  enum class Uploaded { yes, not_tried };
  Result<Uploaded> upload(State& now, const Attempts& attempts, const format::EncodedEntry& entry,
                          const Fingerprint& fingerprint);
  Result<Uploaded> try_upload(State& now, const Fingerprint& fingerprint,
                              std::span<const std::byte> payload, const PutOptions& options,
                              const std::stop_token& stop);
  Result<bool> holds(State& now, const Attempts& attempts, const std::string& name,
                     const format::EncodedEntry& entry);
  Result<bool> may_remove(State& now, const Attempts& attempts, const Fingerprint& fingerprint);
  Result<bool> remove_object(State& now, const Attempts& attempts, const Fingerprint& fingerprint);

  // After an error `entries` are those that were listed all the same.
  Result<void> list(For purpose, std::vector<EntryInfo>& entries);
  Result<PruneReport> evict(const std::vector<EntryInfo>& entries, const Budget& budget,
                            DryRun dry_run);

  const RemoteStoreOptions options_;
  const FileLayout layout_;
  const std::string prefix_;  // of every name
  const std::vector<DerivedKey> keys_;
  const TierFile file_;
  const os::ForkAware<State> state_;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_REMOTE_STORE_H_
