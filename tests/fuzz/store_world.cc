#include "tests/fuzz/store_world.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string_view>

#include "base/digest.h"
#include "format/pack_segment.h"
#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {
namespace {

namespace fs = std::filesystem;

fs::path new_directory() {
  const fs::path memory = "/dev/shm";
  const fs::path parent = ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
  std::string pattern = (parent / "larder-fuzz-").string() + std::string(6, 'X');
  require(::mkdtemp(pattern.data()) != nullptr);
  return pattern;
}

bool holds_artifacts(const fs::path& path) {
  const std::string end = path.extension().string();
  return end == ".seg" || end == ".bad" || end == ".art" || end == ".bin";
}

std::vector<fs::path> files_below(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

Keys keys_of(std::initializer_list<std::uint8_t> seeds) {
  std::vector<Keys::Secret> secrets;
  for (const std::uint8_t seed : seeds) secrets.emplace_back().fill(seed);
  return Keys::from_secrets(secrets).value();
}

Keys keys_of_stranger() { return keys_of({9}); }

}  // namespace

StoreWorld::StoreWorld(const StoreChoice& choice)
    : choice_(choice),
      directory_(new_directory()),
      model_(choice.kind == StoreChoice::Kind::pack && choice.has_key && choice.is_rotating
                 ? Model::Keys::two
                 : Model::Keys::one) {}

StoreWorld::~StoreWorld() {
  for (auto& store : stores_) store.reset();
  fs::remove_all(directory_);
}

Keys StoreWorld::own_keys(std::size_t which) const {
  if (choice_.kind == StoreChoice::Kind::vyre || !choice_.has_key) return {};
  if (!choice_.is_rotating) return keys_of({1});
  return which == 0 ? keys_of({1, 2}) : keys_of({2, 1});
}

Result<std::shared_ptr<Store>> StoreWorld::open(Access access, const Keys& keys) {
  const auto on_evict = [this](const Eviction& eviction) {
    model_.evicted(eviction.fingerprint);
    strangers_.evicted(eviction.fingerprint);
  };
  // What an index lacks that could not be made of all segments, the log alone tells: entries, and
  // removals, so that an older value may be there instead.
  const auto log = [this](LogLevel, std::string_view message) {
    if (!message.contains("is missing until a later open")) return;
    model_.unsettled();
    strangers_.unsettled();
  };
  if (choice_.kind == StoreChoice::Kind::pack) {
    return open_pack_store({.directory = (directory_ / "store").string(),
                            .keys = keys,
                            .access = access,
                            .budget = choice_.budget,
                            .compression = choice_.compression,
                            .on_evict = on_evict,
                            .log = log,
                            .file_system = choice_.has_faults ? &faults_ : nullptr});
  }
  const bool is_vyre = choice_.kind == StoreChoice::Kind::vyre;
  return open_file_store({.directory = (directory_ / "store").string(),
                          .layout = is_vyre ? FileLayout::vyre : FileLayout::larder,
                          .keys = keys,
                          .access = access,
                          .budget = choice_.budget,
                          .flush_threads = 1,
                          .on_evict = on_evict,
                          .file_system = choice_.has_faults ? &faults_ : nullptr});
}

bool StoreWorld::turn_to(std::size_t which) {
  current_ = which;
  if (stores_[current_]) return true;
  // The first one makes the directory.
  const Keys keys = own_keys(which);
  if (which == 1 && !fs::exists(directory_ / "store") && !open(Access::read_write, keys))
    return false;
  auto opened = open(which == 1 ? choice_.second_access : Access::read_write, keys);
  require(opened.has_value() || is_excused());
  stores_[current_] = opened.value_or(nullptr);
  return stores_[current_] != nullptr;
}

void StoreWorld::close() { stores_[current_].reset(); }

void StoreWorld::close_both() {
  for (auto& store : stores_) store.reset();
}

void StoreWorld::fail(const testing::Fault& fault, unsigned calls) {
  faults_.inject(fault);
  calls_with_faults_ = std::max(calls_with_faults_, calls);
}

void StoreWorld::begin_call() {
  met_before_ = faults_.injected().size();
  const Budget& budget = choice_.budget;
  may_evict_ = budget.max_bytes || budget.max_entries;
}

bool StoreWorld::has_met_fault() const {
  return choice_.has_faults && faults_.injected().size() > met_before_;
}

void StoreWorld::end_call() {
  if (has_met_fault()) settle();
  if (calls_with_faults_ == 0) return;
  if (--calls_with_faults_ == 0) faults_.clear_faults();
}

// A fault may have cost what was not synced yet. A flush without faults tells: where each says that
// all is well, nothing is lost. But of what an eviction could not read it does not know the name.
void StoreWorld::settle() {
  faults_.clear_faults();
  calls_with_faults_ = 0;
  for (std::size_t which = 0; which < stores_.size(); ++which) {
    tells_loss_[which] = stores_[which] && !stores_[which]->flush();
  }
  if (may_evict_) {
    model_.may_be_evicted();
    strangers_.may_be_evicted();
  }
  if (!tells_loss_[0] && !tells_loss_[1]) return;
  model_.unsettled();
  strangers_.unsettled();
}

void StoreWorld::end_faults() {
  faults_.clear_faults();
  begin_call();
}

// By a store that only reads.
void StoreWorld::require_refused(const Error* error) const {
  require(error != nullptr && (error->code == Errc::read_only || has_met_fault()));
}

void StoreWorld::require_pruned_nothing(const Result<PruneReport>& done) const {
  const bool finds_nothing = done && done->kept_bytes == 0;  // there is no store yet
  if (!finds_nothing) require_refused(done ? nullptr : &done.error());
}

void StoreWorld::check_error(const Model& model, std::size_t number, const Error& error) const {
  require(!error.message.empty());
  if (!has_met_fault()) model.check_error(number, error);
}

bool StoreWorld::may_write() const {
  return current_ == 0 || choice_.second_access == Access::read_write;
}

bool StoreWorld::anybody_open() const {
  return std::ranges::any_of(stores_, [](const auto& store) { return store != nullptr; });
}

void StoreWorld::judge(const Model& model, std::size_t number, const Lookup& found) const {
  if (!found) return check_error(model, number, found.error());
  if (!*found) return model.check_absent(number);
  model.check_found(number, (*found)->text());
}

void StoreWorld::judge(std::size_t number, const Lookup& found) { judge(model_, number, found); }

void StoreWorld::put(std::size_t number, const std::string& payload) {
  model_.begin_put(number);
  const bool has_one_file = choice_.kind != StoreChoice::Kind::pack;
  if (has_one_file) strangers_.remove_failed(number);
  const auto done = store().put(Model::key(number), bytes_of(payload), {.recipe = "a recipe"});
  if (done) return model_.put(number, payload);
  const Errc code = done.error().code;
  require(!done.error().message.empty());
  if (!may_write()) return require_refused(&done.error());
  // Two writers may need more than the budget has.
  const bool may_be_full = code == Errc::no_space && choice_.budget.max_bytes.has_value();
  require(may_be_full || is_excused());
  model_.put_failed(number, payload);
}

void StoreWorld::get(std::size_t number) { judge(number, store().get(Model::key(number))); }

void StoreWorld::get_into(std::size_t number, std::size_t room) {
  Bytes into(room, std::byte{0x55});
  const auto count = store().get_into(Model::key(number), into);
  if (count && *count) {
    require(**count <= room);
    return model_.check_found(number, text_of(std::span(into).first(**count)));
  }
  if (count) return model_.check_absent(number);
  if (count.error().code != Errc::too_large) return check_error(model_, number, count.error());
  require(!model_.must_be_absent(number));
}

void StoreWorld::get_many(const std::vector<std::size_t>& numbers) {
  std::vector<Fingerprint> keys;
  for (const std::size_t number : numbers) keys.push_back(Model::key(number));
  const auto found = store().get_many(keys);
  if (!found) return require(is_excused());
  require(found->size() == keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) judge(numbers[i], (*found)[i]);
}

void StoreWorld::view(std::size_t number) {
  const auto pack = std::dynamic_pointer_cast<PackStore>(stores_[current_]);
  if (!pack) return get(number);
  const auto seen = pack->view(Model::key(number));
  if (!seen) return check_error(model_, number, seen.error());
  if (!*seen) return model_.check_absent(number);
  model_.check_found(number, text_of((*seen)->bytes()));
}

void StoreWorld::contains(std::size_t number) {
  const auto there = store().contains(Model::key(number));
  if (!there) return check_error(model_, number, there.error());
  if (!*there) return model_.check_absent(number);
  require(!model_.must_be_absent(number));
}

void StoreWorld::inspect(std::size_t number) {
  const auto details = store().inspect(Model::key(number));
  if (!details) return check_error(model_, number, details.error());
  if (!*details) return model_.check_absent(number);
  require(!model_.must_be_absent(number));
  require((*details)->info.fingerprint == Model::key(number));
  const auto found = store().get(Model::key(number));
  judge(number, found);
  if (!found || !*found) return require(is_excused());
  require((*details)->info.payload_bytes == (*found)->size());
  require((*details)->payload_digest.bytes == blake3((*found)->bytes()));
  const bool keeps_recipe = choice_.kind != StoreChoice::Kind::vyre;
  require((*details)->recipe == (keeps_recipe ? "a recipe" : ""));
}

void StoreWorld::remove(std::size_t number) {
  const auto done = store().remove(Model::key(number));
  if (!may_write() && done) return require(!*done);
  if (!may_write()) return require_refused(&done.error());
  if (!done) {
    require(is_excused());
    return model_.remove_failed(number);
  }
  if (*done && !is_excused()) require(!model_.must_be_absent(number));
  if (*done) return model_.removed(number);
  model_.check_absent(number);
  model_.removed_in_vain(number);
}

void StoreWorld::flush() {
  const auto done = store().flush();
  require(done || is_excused() || tells_loss_[current_]);
  tells_loss_[current_] = !done;
  if (!done) model_.unsettled();
}

void StoreWorld::prune(const Budget& budget) {
  may_evict_ = true;
  const auto done = store().prune(budget);
  if (!may_write()) return require_pruned_nothing(done);
  require(done || is_excused());
}

void StoreWorld::clear() {
  const auto done = store().clear();
  if (!may_write()) return require_pruned_nothing(done);
  require(done || is_excused());
  const bool is_empty = done && model_.is_certain() && done->kept_entries == 0;
  if (is_empty) model_.cleared();
  if (!is_empty) model_.may_be_evicted();
  strangers_.may_be_evicted();
}

void StoreWorld::maintain() {
  const auto pack = std::dynamic_pointer_cast<PackStore>(stores_[current_]);
  if (!pack) return;
  const auto done = pack->maintain();
  if (!may_write()) return require_refused(done ? nullptr : &done.error());
  require(done || is_excused());
}

void StoreWorld::visit() {
  std::array<bool, key_count> seen = {};
  const auto done = store().visit([&](const EntryInfo& info) {
    if (info.other_key) return Visit::go_on;
    const auto number = Model::number_of(info.fingerprint);
    require(number.has_value() && !seen[*number]);
    // Whose a file is that was spoilt, its header may not tell any more.
    const bool may_be_others = !model_.is_certain() && !strangers_.must_be_absent(*number);
    require(!model_.must_be_absent(*number) || may_be_others);
    seen[*number] = true;
    return Visit::go_on;
  });
  require(done || is_excused());
  for (std::size_t number = 0; done && number < key_count; ++number) {
    // A file store passes over a folder that it cannot read, and tells the log.
    if (model_.must_be_there(number)) require(seen[number] || has_met_fault());
  }
}

void StoreWorld::let_stranger_work(std::size_t number, unsigned what) {
  if (choice_.kind == StoreChoice::Kind::vyre || !fs::exists(directory_ / "store")) return;
  const auto stranger = open(Access::read_write, keys_of_stranger());
  if (!stranger) return require(is_excused());
  Store& store = **stranger;
  const Fingerprint fingerprint = Model::key(number);
  switch (what % 6) {
    case 0: return judge(strangers_, number, store.get(fingerprint));
    case 1: return put_by_stranger(store, number, what);
    case 2: {
      const auto removed = store.remove(fingerprint);
      require(removed || is_excused());
      if (!removed) return strangers_.remove_failed(number);
      return *removed ? strangers_.removed(number) : strangers_.removed_in_vain(number);
    }
    case 3:
      (void)store.visit_strays([](const Stray&) { return Visit::go_on; }, Repair::yes);
      return;
    case 4: return require(store.prune({.max_age_s = 3600}) || is_excused());
    default:
      if (const auto pack = std::dynamic_pointer_cast<PackStore>(*stranger)) (void)pack->maintain();
  }
}

// Beside ours; in a file store, where there is one file for a fingerprint, in the place of ours.
void StoreWorld::put_by_stranger(Store& stranger, std::size_t number, unsigned what) {
  const std::string payload = what < 8 ? "a stranger's" : std::string(300'000, 's');
  strangers_.begin_put(number);
  const auto done = stranger.put(Model::key(number), bytes_of(payload), {.recipe = "a recipe"});
  if (choice_.kind != StoreChoice::Kind::pack) {
    done ? model_.removed(number) : model_.remove_failed(number);
  }
  done ? strangers_.put(number, payload) : strangers_.put_failed(number, payload);
}

std::vector<fs::path> StoreWorld::files_of_artifacts() const {
  std::vector<fs::path> files = files_below(directory_);
  std::erase_if(files, [](const fs::path& path) { return !holds_artifacts(path); });
  return files;
}

// With both copies of its header spoilt a segment is lost, and with it what is put into it by who
// has it open.
bool StoreWorld::may_spoil(const fs::path& path, std::uintmax_t place) {
  if (path.extension() != ".seg" || place >= format::records_at) return true;
  const std::uintmax_t copy = place / format::segment_header_bytes;
  return spoilt_headers_.emplace(path, copy).first->second == copy;
}

void StoreWorld::spoil(std::uint8_t file, std::uint32_t at, std::uint8_t by) {
  const auto files = anybody_open() ? files_of_artifacts() : files_below(directory_);
  if (files.empty() || by == 0) return;
  const fs::path& path = files[file % files.size()];
  const std::uintmax_t length = fs::file_size(path);
  if (length == 0) return;
  const std::uintmax_t place = at % length;
  if (!may_spoil(path, place)) return;
  std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(place));
  const int old = stream.get();
  stream.seekp(static_cast<std::streamoff>(place));
  stream.put(static_cast<char>(old ^ by));
  stream.close();
  require(stream.good());
  model_.spoilt();
  strangers_.spoilt();
}

std::string StoreWorld::first_file_of_artifacts() const {
  constexpr std::size_t most_bytes = 200'000;
  const auto files = files_of_artifacts();
  if (files.empty()) return {};
  std::ifstream stream(files.front(), std::ios::binary);
  std::string text(most_bytes, '\0');
  stream.read(text.data(), most_bytes);
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

void StoreWorld::check_all() {
  for (std::size_t which = 0; which < stores_.size(); ++which) {
    if (!turn_to(which)) return;
    for (std::size_t number = 0; number < key_count; ++number) get(number);
    visit();
    require(store().metrics().balanced());
  }
  check_stranger();
}

void StoreWorld::check_stranger() {
  if (choice_.kind == StoreChoice::Kind::vyre) return;
  const auto stranger = open(Access::read_only, keys_of_stranger());
  if (!stranger) return require(is_excused());
  for (std::size_t number = 0; number < key_count; ++number) {
    judge(strangers_, number, (*stranger)->get(Model::key(number)));
  }
}

}  // namespace larder::fuzz
