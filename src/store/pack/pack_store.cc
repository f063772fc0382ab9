// Opening, the shelf in use, and the small calls.
#include <cassert>

#include "base/guarded.h"
#include "base/try.h"
#include "store/directory/absolute.h"
#include "store/directory/explain.h"
#include "store/directory/sweep.h"
#include "store/pack/allowed.h"
#include "store/pack/pack_store_impl.h"

namespace larder {
namespace pack_store {
namespace {

using store_directory::LockFile;
using store_directory::LockOffset;
using store_directory::StoreDirectory;

class PackLease final : public Lease {
 public:
  explicit PackLease(LockFile::Held held) noexcept : held_(std::move(held)) {}

 private:
  LockFile::Held held_;
};

std::uint64_t cap_of(const PackStoreOptions& options) {
  return options.max_payload_bytes == 0
             ? max_payload_bytes_larder
             : std::min(max_payload_bytes_larder, options.max_payload_bytes);
}

}  // namespace

ProcessState::ProcessState(const PackStoreOptions& options, FileSystem& file_system)
    : directory({.directory = options.directory,
                 .access = options.access,
                 .create = options.create,
                 .file_system = &file_system,
                 .kind = store_directory::Kind::pack}),
      locks(std::make_shared<LockFile>(directory)) {}

// Shelves that were left, and the segments that those close in turn.
ProcessState::~ProcessState() {
  shelf.store(nullptr);
  owned_shelf.reset();
  while (epochs.collect()) {
  }
}

PackStoreImpl::PackStoreImpl(PackStoreOptions options)
    : options_(std::move(options)),
      file_system_(options_.file_system != nullptr ? *options_.file_system : posix_file_system()),
      max_payload_bytes_(cap_of(options_)),
      state_([this] { return std::make_unique<ProcessState>(options_, file_system_); }) {}

PackStoreImpl::~PackStoreImpl() {
  // Nobody is calling any more, so that every look-up has found its outcome.
  assert(state_.forked() || state().counters.snapshot().balanced());
}

Result<void> PackStoreImpl::open() {
  return guarded([&]() -> Result<void> {
    LARDER_CHECK_OK(check_before_making(file_system_, options_.directory));
    const auto guard = state().epochs.enter();
    const bool makes_it =
        options_.access == Access::read_write && options_.create == Create::at_open;
    LARDER_TRY(Shelf* const shelf, makes_it ? shelf_for_writing() : shelf_for_reading());
    state().directory.tell_of_mended_marker(options_.log);
    store_directory::sweep_leftovers(state().directory, options_.log);
    if (shelf == nullptr) return {};
    // For its leftovers. What is the matter there concerns large artifacts alone.
    if (const auto opened = shelf->large().open(); !opened) {
      log(LogLevel::warning, opened.error().message);
    }
    return {};
  });
}

// With shelf_mutex held.
Result<Shelf*> PackStoreImpl::take_shelf(ProcessState& process, StoreDirectory::Root root) {
  auto opened = Shelf::open({.options = options_,
                             .file_system = file_system_,
                             .root = std::move(root),
                             .locks = process.locks,
                             .epochs = process.epochs,
                             .path = options_.directory});
  if (!opened) {
    return std::unexpected(
        store_directory::with_remedy(std::move(opened).error(), options_.directory));
  }
  std::shared_ptr<Shelf> fresh = *std::move(opened);
  process.shelf.store(fresh.get(), std::memory_order_seq_cst);
  std::swap(process.owned_shelf, fresh);
  if (fresh) process.epochs.retire(std::move(fresh));
  return process.owned_shelf.get();
}

// With a guard of the epochs held.
Result<Shelf*> PackStoreImpl::shelf_for_reading() {
  ProcessState& process = state();
  if (Shelf* const shelf = process.shelf.load(std::memory_order_seq_cst)) {
    if (!shelf->is_outdated()) return shelf;
    leave_shelf(*shelf);
  }
  const std::lock_guard lock(process.shelf_mutex);
  if (process.owned_shelf) return process.owned_shelf.get();
  LARDER_TRY(auto root, process.directory.reader_root());
  if (!root.directory) return nullptr;
  return take_shelf(process, std::move(root));
}

Result<Shelf*> PackStoreImpl::shelf_for_writing() {
  ProcessState& process = state();
  if (options_.access == Access::read_only) {
    return std::unexpected(store_directory::opened_read_only(options_.directory));
  }
  if (Shelf* const shelf = process.shelf.load(std::memory_order_seq_cst)) return shelf;
  const std::lock_guard lock(process.shelf_mutex);
  if (process.owned_shelf) return process.owned_shelf.get();
  LARDER_TRY(auto root, process.directory.writer_root());
  return take_shelf(process, std::move(root));
}

// The next call opens the path anew.
void PackStoreImpl::leave_shelf(Shelf& shelf) {
  ProcessState& process = state();
  std::shared_ptr<Shelf> left;
  const std::lock_guard lock(process.shelf_mutex);
  if (process.owned_shelf.get() != &shelf) return;
  process.shelf.store(nullptr, std::memory_order_seq_cst);
  process.directory.forget();
  std::swap(process.owned_shelf, left);
  process.epochs.retire(std::move(left));
}

Metrics PackStoreImpl::metrics() const {
  Metrics metrics;
  best_effort([&] {
    ProcessState& process = state();
    metrics = process.counters.snapshot();
    const auto guard = process.epochs.enter();
    Shelf* const shelf = process.shelf.load(std::memory_order_seq_cst);
    if (shelf == nullptr) return;
    metrics.entries = shelf->state().word(format::StateWord::entries).load();
    if (shelf->has_segments()) metrics.bytes = shelf->evictor().used_bytes();
  });
  return metrics;
}

Result<std::unique_ptr<Lease>> PackStoreImpl::try_lease(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::unique_ptr<Lease>> {
    LARDER_TRY(auto held, state().locks->try_acquire(LockOffset::lease_of(fingerprint)));
    if (!held) return nullptr;
    return std::make_unique<PackLease>(*std::move(held));
  });
}

store_directory::StatisticsPlace PackStoreImpl::statistics_place() const {
  ProcessState& process = state();
  return {.directory = process.directory, .locks = *process.locks, .own = process.own_statistics};
}

Result<void> PackStoreImpl::add_statistics(const Metrics& delta) {
  return guarded([&] { return store_directory::add_statistics(statistics_place(), delta); });
}

Result<Metrics> PackStoreImpl::statistics() {
  return guarded([&]() -> Result<Metrics> {
    LARDER_TRY(const format::Statistics kept, store_directory::read_statistics(statistics_place()));
    Metrics sum = kept.counters;
    {
      const auto guard = state().epochs.enter();
      LARDER_CHECK_OK(shelf_for_reading());
    }
    const Metrics now = metrics();
    sum.bytes = now.bytes;
    sum.entries = now.entries;
    return sum;
  });
}

Result<void> PackStoreImpl::reset_statistics() {
  return guarded([&] { return store_directory::reset_statistics(statistics_place()); });
}

std::string PackStoreImpl::describe() const {
  return guarded_or({}, [this] { return "pack:" + options_.directory; });
}

void PackStoreImpl::log(LogLevel level, const std::string& line) const {
  if (options_.log) options_.log(level, line);
}

}  // namespace pack_store

Result<std::shared_ptr<PackStore>> open_pack_store(const PackStoreOptions& options) {
  return guarded([&]() -> Result<std::shared_ptr<PackStore>> {
    LARDER_TRY(PackStoreOptions absolute, store_directory::made_absolute(options));
    auto store = std::make_shared<pack_store::PackStoreImpl>(std::move(absolute));
    LARDER_CHECK_OK(store->open());
    return store;
  });
}

}  // namespace larder
