#include "store/pack/state_file.h"

#include <array>

#include "base/byte_order.h"
#include "base/hex.h"
#include "base/try.h"
#include "format/pack_name.h"
#include "store/directory/new_file.h"

namespace larder::pack_store {

using format::StateWord;

namespace {

// Far from those of a state that was deleted: who still shares that one with others must not take
// an index of ours for his, nor put one of his in the place of ours.
std::uint64_t first_generation(std::string_view random_hex) noexcept {
  std::uint64_t generation = 0;
  for (const char digit : random_hex.substr(0, 15)) {
    generation = generation << 4 | static_cast<std::uint64_t>(hex_digit(digit) & 15);
  }
  return generation;
}

}  // namespace

StateFile::StateFile(std::unique_ptr<File> file, std::unique_ptr<Mapping> mapping) noexcept
    : file_(std::move(file)),
      mapping_(std::move(mapping)),
      words_(reinterpret_cast<std::uint64_t*>(mapping_->bytes().data() + format::state_words_at)) {}

Result<std::unique_ptr<StateFile>> StateFile::create(Directory& root, const Origin& origin) {
  LARDER_TRY(auto fresh, store_directory::NewFile::create(origin.file_system, root));
  LARDER_CHECK_OK(fresh.file().allocate(format::state_bytes));
  std::array<std::byte, format::state_bytes> bytes = {};
  format::encode_state_header(origin.store, bytes);
  const auto set = [&bytes](StateWord word, std::uint64_t value) {
    const auto at = format::state_words_at + 8 * static_cast<std::size_t>(word);
    store_little(bytes.data() + at, value);
  };
  set(StateWord::dirty, 1);
  LARDER_TRY(const std::string random, origin.file_system.random_name());
  set(StateWord::generation, first_generation(random));
  const std::array pieces{std::span<const std::byte>(bytes)};
  LARDER_CHECK_OK(fresh.file().write_at(pieces, 0));
  LARDER_CHECK_OK(fresh.file().sync_data());
  // Whatever stands there was judged by the caller: nothing, or no state of this store.
  LARDER_CHECK_OK(fresh.replace(root, format::state_name));
  LARDER_CHECK_OK(root.sync());
  return open(root, origin, OpenMode::read_write);
}

Result<std::unique_ptr<StateFile>> StateFile::open(Directory& root, const Origin& origin,
                                                   OpenMode mode) {
  LARDER_TRY(auto file, root.open_file(format::state_name, mode));
  LARDER_TRY(const FileInfo info, file->info());
  const bool is_ours = info.kind == FileKind::regular && origin.trusts(info);
  if (is_ours && info.size_bytes >= format::state_bytes) {
    LARDER_TRY(auto mapping, file->map(mode, format::state_bytes));
    LARDER_CHECK_OK(mapping->check(0, format::state_bytes));
    if (format::decode_state_header(mapping->bytes()) == origin.store) {
      return std::unique_ptr<StateFile>(new StateFile(std::move(file), std::move(mapping)));
    }
  }
  return std::unexpected(Error{.code = Errc::absent, .message = "no state of this store"});
}

std::unique_ptr<StateFile> StateFile::make_private() {
  return std::unique_ptr<StateFile>(new StateFile());
}

std::uint64_t StateFile::check() const noexcept {
  std::array<std::uint64_t, format::state_words> copy;
  for (std::uint32_t i = 0; i < copy.size(); ++i) copy[i] = word(i).load();
  copy[static_cast<std::size_t>(StateWord::dirty)] = 0;
  copy[static_cast<std::size_t>(StateWord::clean_check)] = 0;
  return format::check_of_words(std::span<const std::uint64_t>(copy));
}

bool StateFile::is_clean() const noexcept {
  return word(StateWord::dirty).load() == 0 && word(StateWord::clean_check).load() == check();
}

Result<void> StateFile::make_dirty() {
  if (dirty_is_durable_.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(dirty_mutex_);
  if (dirty_is_durable_.load(std::memory_order_relaxed)) return {};
  word(StateWord::dirty).store(1);
  LARDER_CHECK_OK(file_->sync_data());
  dirty_is_durable_.store(true, std::memory_order_release);
  return {};
}

Result<void> StateFile::make_clean() {
  word(StateWord::clean_check).store(check());
  word(StateWord::dirty).store(0);
  auto synced = file_->sync_data();
  if (!synced) word(StateWord::dirty).store(1);
  return synced;
}

Result<bool> StateFile::is_at_its_name(Directory& root) const {
  LARDER_TRY(const FileInfo held, file_->info());
  const auto named = root.info_at(format::state_name);
  if (!named && named.error().code == Errc::absent) return false;
  if (!named) return std::unexpected(named.error());
  return named->same_file(held);
}

}  // namespace larder::pack_store
