#include "store/file/file_store.h"

#include <algorithm>
#include <cassert>

#include "base/guarded.h"
#include "base/try.h"
#include "store/directory/absolute.h"
#include "store/directory/sweep.h"

namespace larder {
namespace file_store {
namespace {

// "At most min(128, limit / 8)": a cache must not starve its host of descriptors.
std::size_t open_file_limit(FileSystem& file_system) {
  return std::clamp<std::uint64_t>(file_system.user().descriptor_limit / 8, 1, 128);
}

std::uint64_t cap_of(const FileStoreOptions& options) {
  const std::uint64_t cap =
      options.layout == FileLayout::larder ? max_payload_bytes_larder : max_payload_bytes_vyre;
  return options.max_payload_bytes == 0 ? cap : std::min(cap, options.max_payload_bytes);
}

store_directory::DirectoryOptions directory_options(const FileStoreOptions& options,
                                                    const std::optional<Within>& within) {
  const bool larder = options.layout == FileLayout::larder;
  return {.directory = options.directory,
          .access = options.access,
          .create = options.create,
          .file_system = options.file_system,
          .kind = larder ? store_directory::Kind::file : store_directory::Kind::vyre,
          .within = within ? within->root : nullptr};
}

class FileLease final : public Lease {
 public:
  explicit FileLease(LockFile::Held held) noexcept : held_(std::move(held)) {}

 private:
  LockFile::Held held_;
};

}  // namespace

ProcessState::ProcessState(const FileStoreOptions& options, const std::optional<Within>& within)
    : directory(directory_options(options, within)),
      locks(std::make_shared<LockFile>(directory)),
      pending(directory, *locks,
              {.layout = options.layout,
               .threads = std::max(1u, options.flush_threads),
               .max_open_files =
                   within ? within->max_open_files : open_file_limit(directory.file_system())}),
      keys(options.keys) {}

std::shared_ptr<const StoreKeys::Derived> StoreKeys::of(
    const std::optional<format::StoreId>& store) {
  const format::StoreId id = store.value_or(format::StoreId{});
  const std::lock_guard lock(mutex_);
  if (!derived_ || id != id_) {
    derived_ = std::make_shared<const Derived>(derive_keys(keys_, format::entry_key_context, id));
    id_ = id;
  }
  return derived_;
}

FileStore::FileStore(FileStoreOptions options, std::optional<Within> within)
    : options_(std::move(options)),
      max_payload_bytes_(cap_of(options_)),
      is_within_(within.has_value()),
      state_([this, within = std::move(within)] {
        return std::make_unique<ProcessState>(options_, within);
      }) {}

FileStore::~FileStore() {
  // Nobody is calling any more, so that every look-up has found its outcome.
  assert(state_.forked() || state().counters.snapshot().balanced());
}

Result<void> FileStore::open() {
  return guarded([&]() -> Result<void> {
    if (options_.layout == FileLayout::vyre && !options_.keys.empty()) {
      return std::unexpected(
          Error{.code = Errc::invalid_argument,
                .message = directory().path() +
                           ": the vyre layout has no room for a key; use a pack or file store, or "
                           "unset the key file"});
    }
    LARDER_CHECK_OK(directory().open());
    directory().tell_of_mended_marker(options_.log);
    store_directory::sweep_leftovers(directory(), options_.log);
    return {};
  });
}

Result<void> FileStore::flush() {
  return guarded([&]() -> Result<void> {
    auto flushed = state().pending.flush();
    state().counters.add(&Metrics::flushes);
    if (!flushed) state().counters.add(&Metrics::flush_errors);
    return flushed;
  });
}

Durability FileStore::durability() const {
  return guarded_or({}, [this] { return state().pending.durability(); });
}

Metrics FileStore::metrics() const {
  Metrics metrics;
  best_effort([&] {
    ProcessState& process = state();
    metrics = process.counters.snapshot();
    const auto kept = process.locks->read_statistics();
    if (!kept || !kept->usage) return;
    metrics.bytes = kept->usage->bytes;
    metrics.entries = kept->usage->entries;
  });
  return metrics;
}

Result<std::unique_ptr<Lease>> FileStore::try_lease(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::unique_ptr<Lease>> {
    LARDER_TRY(auto held, state().locks->try_acquire(LockOffset::lease_of(fingerprint)));
    if (!held) return nullptr;
    return std::make_unique<FileLease>(*std::move(held));
  });
}

store_directory::StatisticsPlace FileStore::statistics_place() const {
  ProcessState& process = state();
  return {.directory = process.directory, .locks = *process.locks, .own = process.own_statistics};
}

Result<void> FileStore::add_statistics(const Metrics& delta) {
  return guarded([&] { return store_directory::add_statistics(statistics_place(), delta); });
}

Result<Metrics> FileStore::statistics() {
  return guarded([&]() -> Result<Metrics> {
    LARDER_TRY(const format::Statistics kept, store_directory::read_statistics(statistics_place()));
    Metrics sum = kept.counters;
    const format::Usage usage = kept.usage.value_or(format::Usage{});
    sum.bytes = usage.bytes;
    sum.entries = usage.entries;
    return sum;
  });
}

Result<void> FileStore::reset_statistics() {
  return guarded([&] { return store_directory::reset_statistics(statistics_place()); });
}

std::string FileStore::describe() const {
  return guarded_or({}, [this] {
    return (options_.layout == FileLayout::larder ? "file:" : "vyre:") + directory().path();
  });
}

void FileStore::log(LogLevel level, const std::string& line) const {
  if (options_.log) options_.log(level, line);
}

}  // namespace file_store

Result<std::shared_ptr<Store>> open_file_store(const FileStoreOptions& options) {
  return guarded([&]() -> Result<std::shared_ptr<Store>> {
    LARDER_TRY(FileStoreOptions absolute, store_directory::made_absolute(options));
    auto store = std::make_shared<file_store::FileStore>(std::move(absolute));
    LARDER_CHECK_OK(store->open());
    return store;
  });
}

}  // namespace larder
