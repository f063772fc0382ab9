#include "store/directory/lock_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "base/byte_order.h"
#include "base/guarded.h"
#include "base/try.h"
#include "format/entry_name.h"
#include "store/directory/explain.h"

namespace larder::store_directory {
namespace {

constexpr auto statistics_wait = std::chrono::milliseconds(500);

std::uint64_t number_from(const Fingerprint& fingerprint) {
  std::array<std::byte, 8> bytes;
  std::memcpy(bytes.data(), fingerprint.bytes.data() + 16, bytes.size());
  return load_little<std::uint64_t>(bytes.data());
}

// A second name of somebody's file, into which the counters would be written. A copy of the store
// made of hard links is none.
Result<bool> is_link_to_foreign(File& file, const FileInfo& info) {
  if (info.kind != FileKind::regular || info.link_count < 2) return false;
  format::StatisticsBlock block;
  LARDER_TRY(const std::size_t count, file.read_at(block, 0));
  return !format::decode_statistics(std::span(block).first(count));
}

}  // namespace

LockOffset LockOffset::change_of(const Fingerprint& fingerprint) {
  return {(std::uint64_t{1} << 33) + (number_from(fingerprint) >> 34)};
}

LockOffset LockOffset::lease_of(const Fingerprint& fingerprint) {
  return {(std::uint64_t{1} << 60) + (number_from(fingerprint) >> 16)};
}

LockFile::Held::~Held() {
  if (owner_) owner_->release(*file_, offset_);
}

Result<std::shared_ptr<File>> LockFile::file() {
  const std::lock_guard lock(mutex_);
  // Locks on a file that was deleted, or whose directory was, bind nobody who comes later.
  const std::uint64_t generation = directory_.generation();
  if (file_ && generation_ == generation) {
    LARDER_TRY(const FileInfo info, file_->info());
    if (info.link_count != 0) return file_;
  }
  LARDER_TRY(const auto root, directory_.writer());
  auto made = root->open_or_create_file(format::lock_name);
  if (!made) {
    const std::string& path = directory_.path();
    return std::unexpected(with_remedy(
        at_path(std::move(made).error(), path + "/" + std::string(format::lock_name)), path));
  }
  std::shared_ptr<File> opened = *std::move(made);
  LARDER_TRY(const FileInfo info, opened->info());
  LARDER_TRY(const bool foreign, is_link_to_foreign(*opened, info));
  if (info.kind != FileKind::regular || !directory_.trusts(info.owner) || foreign) {
    return std::unexpected(Error{.code = Errc::not_ours,
                                 .message = directory_.path() + "/" +
                                            std::string(format::lock_name) +
                                            ": not a file of yours; move it away"});
  }
  file_ = std::move(opened);
  generation_ = generation;
  return file_;
}

Result<std::optional<LockFile::Held>> LockFile::try_acquire(LockOffset offset) {
  LARDER_TRY(const auto opened, file());
  const std::lock_guard lock(mutex_);
  if (held_.contains(offset.value)) return std::nullopt;
  LARDER_TRY(const bool locked, opened->try_lock(LockMode::exclusive, offset.value, 1));
  if (!locked) return std::nullopt;
  held_.insert(offset.value);
  return std::optional<Held>(std::in_place, shared_from_this(), opened, offset);
}

Result<LockFile::Held> LockFile::acquire(LockOffset offset, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  auto pause = std::chrono::microseconds(20);
  for (;;) {
    LARDER_TRY(auto held, try_acquire(offset));
    if (held) return *std::move(held);
    if (std::chrono::steady_clock::now() >= deadline) {
      return std::unexpected(
          Error{.code = Errc::timed_out,
                .message = directory_.path() + ": another process holds a lock; try again later"});
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(2000));
  }
}

void LockFile::release(File& file, LockOffset offset) noexcept {
  // The lock is on the open file that parent and child share: it is the parent's to release.
  if (guard_.forked()) return;
  const std::lock_guard lock(mutex_);
  // It cannot fail on a descriptor that took the lock; the kernel would drop it with the file.
  best_effort([&] { (void)file.unlock(offset.value, 1); });
  held_.erase(offset.value);
}

Result<format::Statistics> LockFile::read_statistics() {
  LARDER_TRY(const auto root, directory_.reader());
  if (!root) return format::Statistics{};
  auto opened = root->open_file(format::lock_name, OpenMode::read);
  if (!opened && opened.error().code == Errc::absent) return format::Statistics{};
  if (!opened) return std::unexpected(std::move(opened).error());
  // Read without the lock, which would make a reader wait: a block that is being written does not
  // verify, and is there a moment later.
  for (int attempt = 0;; ++attempt) {
    format::StatisticsBytes bytes;
    LARDER_TRY(const std::size_t count, (*opened)->read_at(bytes, 0));
    const auto statistics = format::decode_statistics(std::span(bytes).first(count));
    if (statistics || count == 0 || attempt == 3) return statistics.value_or(format::Statistics{});
    std::this_thread::yield();
  }
}

Result<void> LockFile::update_statistics(const std::function<void(format::Statistics&)>& change) {
  LARDER_TRY(const auto held, acquire(LockOffset::statistics(), statistics_wait));
  LARDER_TRY(const auto opened, file());
  format::StatisticsBytes bytes;
  LARDER_TRY(const std::size_t count, opened->read_at(bytes, 0));
  auto statistics =
      format::decode_statistics(std::span(bytes).first(count)).value_or(format::Statistics{});
  change(statistics);
  const format::StatisticsBlock block = format::encode_statistics(statistics);
  const std::array<std::span<const std::byte>, 1> pieces{block};
  return opened->write_at(pieces, 0);
}

}  // namespace larder::store_directory
