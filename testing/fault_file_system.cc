#include "larder/testing/fault_file_system.h"

#include <chrono>
#include <mutex>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

namespace larder::testing {
namespace {

std::string join(std::string_view directory, std::string_view name) {
  return std::string(directory) + "/" + std::string(name);
}

Error injected_error(const Operation& operation, int os_error) {
  return {.code = code_of(os_error),
          .os_error = os_error,
          .message = std::string(op_name(operation.op)) + " " + operation.path + ": " +
                     std::generic_category().message(os_error) +
                     " (injected by a test); take the fault away"};
}

std::unexpected<Error> stranger(std::string_view function) {
  return std::unexpected(Error{.code = Errc::invalid_argument,
                               .message = std::string(function) +
                                          ": an argument was opened by another file system; "
                                          "pass one that this file system opened"});
}

// Whether a fault can do that to an operation at all.
bool applies(Effect effect, Op op) noexcept {
  switch (effect) {
    case Effect::tear: return op == Op::write_at;
    case Effect::shorten: return op == Op::read_at;
    case Effect::flip_bit: return op == Op::read_at || op == Op::write_at;
    case Effect::refuse:
    case Effect::refuse_after:
    case Effect::delay: return true;
  }
  return false;
}

void turn_bit(std::span<std::byte> bytes, std::uint64_t bit) noexcept {
  if (bytes.empty()) return;
  bit %= bytes.size() * 8;
  bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
}

}  // namespace

// Shared by everything that one fault file system opened. The observer runs before the lock is
// taken, so that it may use the file system itself.
class FaultFileSystem::State {
 public:
  void inject(const Fault& fault) {
    const std::scoped_lock lock(mutex_);
    faults_.push_back({.fault = fault});
  }

  void clear_faults() {
    const std::scoped_lock lock(mutex_);
    faults_.clear();
  }

  void observe(std::function<void(const Operation&)> observer) { observer_ = std::move(observer); }

  std::uint64_t operations() const {
    const std::scoped_lock lock(mutex_);
    return operations_;
  }

  std::vector<Operation> injected() const {
    const std::scoped_lock lock(mutex_);
    return injected_;
  }

  // Numbers the operation, tells the observer, and finds the fault that is due.
  std::optional<Fault> begin(Operation& operation) {
    {
      const std::scoped_lock lock(mutex_);
      operation.number = ++operations_;
    }
    if (observer_) observer_(operation);
    const std::scoped_lock lock(mutex_);
    std::optional<Fault> due;
    for (Armed& armed : faults_) {
      if (armed.strikes(operation) && !due) due = armed.fault;
    }
    if (due) injected_.push_back(operation);
    return due;
  }

 private:
  struct Armed {
    Fault fault;
    std::uint64_t matched = 0;

    bool strikes(const Operation& operation) {
      if (fault.only && *fault.only != operation.op) return false;
      if (!applies(fault.effect, operation.op)) return false;
      if (operation.path.find(fault.path_contains) == std::string::npos &&
          operation.to_path.find(fault.path_contains) == std::string::npos) {
        return false;
      }
      ++matched;
      return fault.repeat == Repeat::once ? matched == fault.at : matched >= fault.at;
    }
  };

  mutable std::mutex mutex_;
  std::uint64_t operations_ = 0;
  std::vector<Armed> faults_;
  std::vector<Operation> injected_;
  std::function<void(const Operation&)> observer_;
};

namespace {

using State = FaultFileSystem::State;

// Whether the caller is told; waits first where that is all that happens.
bool fails(const Fault& fault) {
  if (fault.effect == Effect::delay) {
    std::this_thread::sleep_for(std::chrono::milliseconds(fault.delay_ms));
  }
  return fault.effect == Effect::refuse || fault.effect == Effect::refuse_after;
}

// Does `act`, unless the fault that is due says otherwise. `spoils`: where the caller does what
// only reads and writes know how to do.
template <class Act>
std::invoke_result_t<Act> perform(State& state, Operation operation, Act&& act,
                                  std::optional<Fault>* spoils = nullptr) {
  const std::optional<Fault> fault = state.begin(operation);
  if (spoils != nullptr) *spoils = fault;
  if (!fault || !fails(*fault)) return act();
  const bool acts = fault->effect == Effect::refuse_after || operation.op == Op::close;
  if (acts) {
    if (auto done = act(); !done) return done;
  }
  return std::unexpected(injected_error(operation, fault->os_error));
}

class FaultMapping final : public Mapping {
 public:
  FaultMapping(std::unique_ptr<Mapping> real, std::shared_ptr<State> state, std::string path)
      : real_(std::move(real)), state_(std::move(state)), path_(std::move(path)) {}

  std::span<std::byte> bytes() const noexcept override { return real_->bytes(); }

  Result<void> check(std::uint64_t offset, std::uint64_t length) override {
    return perform(*state_, {.op = Op::check, .path = path_, .to_path = {}},
                   [&] { return real_->check(offset, length); });
  }

 private:
  std::unique_ptr<Mapping> real_;
  std::shared_ptr<State> state_;
  const std::string path_;
};

class FaultFile final : public File {
 public:
  FaultFile(std::unique_ptr<File> real, std::shared_ptr<State> state, std::string path)
      : real_(std::move(real)), state_(std::move(state)), path_(std::move(path)) {}

  File& real() { return *real_; }

  void set_path(std::string path) {
    const std::scoped_lock lock(path_mutex_);
    path_ = std::move(path);
  }

  Result<FileInfo> info() override {
    return perform(*state_, here(Op::file_info), [&] { return real_->info(); });
  }

  Result<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
    std::optional<Fault> fault;
    auto read =
        perform(*state_, here(Op::read_at), [&] { return real_->read_at(into, offset); }, &fault);
    if (!fault || !read) return read;
    if (fault->effect == Effect::shorten) *read /= 2;
    if (fault->effect == Effect::flip_bit) turn_bit(into.first(*read), fault->bit);
    return read;
  }

  Result<void> write_at(std::span<const std::span<const std::byte>> pieces,
                        std::uint64_t offset) override {
    Operation operation = here(Op::write_at);
    std::optional<Fault> fault;
    return perform(
        *state_, operation,
        [&]() -> Result<void> {
          const bool is_spoilt =
              fault && (fault->effect == Effect::tear || fault->effect == Effect::flip_bit);
          if (!is_spoilt) return real_->write_at(pieces, offset);
          return write_spoilt(pieces, offset, operation, *fault);
        },
        &fault);
  }

  Result<void> reserve(std::uint64_t bytes) override {
    return perform(*state_, here(Op::reserve), [&] { return real_->reserve(bytes); });
  }

  Result<void> trim(std::uint64_t end_bytes) override {
    return perform(*state_, here(Op::trim), [&] { return real_->trim(end_bytes); });
  }

  Result<void> allocate(std::uint64_t bytes) override {
    return perform(*state_, here(Op::allocate), [&] { return real_->allocate(bytes); });
  }

  Result<std::unique_ptr<Mapping>> map(OpenMode mode, std::uint64_t bytes) override {
    Operation operation = here(Op::map);
    return perform(*state_, operation, [&]() -> Result<std::unique_ptr<Mapping>> {
      auto mapped = real_->map(mode, bytes);
      if (!mapped) return mapped;
      return std::make_unique<FaultMapping>(*std::move(mapped), state_, operation.path);
    });
  }

  Result<void> start_writeback() override {
    return perform(*state_, here(Op::start_writeback), [&] { return real_->start_writeback(); });
  }

  Result<void> sync_data() override {
    return perform(*state_, here(Op::sync_data), [&] { return real_->sync_data(); });
  }

  Result<void> touch() override {
    return perform(*state_, here(Op::touch), [&] { return real_->touch(); });
  }

  Result<bool> try_lock(LockMode mode, std::uint64_t offset, std::uint64_t length) override {
    return perform(*state_, here(Op::try_lock),
                   [&] { return real_->try_lock(mode, offset, length); });
  }

  Result<void> unlock(std::uint64_t offset, std::uint64_t length) override {
    return perform(*state_, here(Op::unlock), [&] { return real_->unlock(offset, length); });
  }

  Result<bool> is_locked(std::uint64_t offset, std::uint64_t length) override {
    return perform(*state_, here(Op::is_locked), [&] { return real_->is_locked(offset, length); });
  }

  Result<void> close() override {
    return perform(*state_, here(Op::close), [&] { return real_->close(); });
  }

 private:
  // Half of the bytes, or all with one bit turned over: of a copy, the caller's stay as they are.
  Result<void> write_spoilt(std::span<const std::span<const std::byte>> pieces,
                            std::uint64_t offset, const Operation& operation, const Fault& fault) {
    std::vector<std::byte> bytes;
    for (const auto piece : pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
    if (fault.effect == Effect::flip_bit) turn_bit(bytes, fault.bit);
    if (fault.effect == Effect::tear) bytes.resize(bytes.size() / 2);
    const std::span<const std::byte> all = bytes;
    auto written = real_->write_at(std::span(&all, 1), offset);
    if (!written || fault.effect == Effect::flip_bit) return written;
    return std::unexpected(injected_error(operation, fault.os_error));
  }

  Operation here(Op op) {
    const std::scoped_lock lock(path_mutex_);
    return {.op = op, .path = path_, .to_path = {}};
  }

  std::unique_ptr<File> real_;
  std::shared_ptr<State> state_;
  std::mutex path_mutex_;
  std::string path_;
};

class FaultDirectory final : public Directory {
 public:
  FaultDirectory(std::unique_ptr<Directory> real, std::shared_ptr<State> state, std::string path)
      : real_(std::move(real)), state_(std::move(state)), path_(std::move(path)) {}

  Result<FileInfo> info() override {
    return perform(*state_, here(Op::directory_info), [&] { return real_->info(); });
  }

  Result<FileInfo> info_at(std::string_view path) override {
    return perform(*state_, at(Op::info_at, path), [&] { return real_->info_at(path); });
  }

  Result<SpaceInfo> space() override {
    return perform(*state_, here(Op::space), [&] { return real_->space(); });
  }

  Result<std::string> file_system_type() override {
    return perform(*state_, here(Op::file_system_type), [&] { return real_->file_system_type(); });
  }

  Result<std::unique_ptr<File>> open_file(std::string_view path, OpenMode mode) override {
    return perform(*state_, at(Op::open_file, path),
                   [&] { return wrap(real_->open_file(path, mode), path); });
  }

  Result<std::unique_ptr<File>> open_or_create_file(std::string_view name) override {
    return perform(*state_, at(Op::open_or_create_file, name),
                   [&] { return wrap(real_->open_or_create_file(name), name); });
  }

  Result<std::unique_ptr<File>> create_anonymous() override {
    constexpr std::string_view name = "(anonymous)";
    return perform(*state_, at(Op::create_anonymous, name),
                   [&] { return wrap(real_->create_anonymous(), name); });
  }

  Result<std::unique_ptr<File>> create_file(std::string_view name) override {
    return perform(*state_, at(Op::create_file, name),
                   [&] { return wrap(real_->create_file(name), name); });
  }

  Result<void> link(File& file, std::string_view name) override {
    auto* ours = dynamic_cast<FaultFile*>(&file);
    if (ours == nullptr) return stranger("link");
    Operation operation = at(Op::link, "(anonymous)");
    operation.to_path = join(path_, name);
    auto linked = perform(*state_, operation, [&] { return real_->link(ours->real(), name); });
    if (linked) ours->set_path(operation.to_path);
    return linked;
  }

  Result<void> rename_over(std::string_view name, Directory& to,
                           std::string_view to_name) override {
    auto* ours = dynamic_cast<FaultDirectory*>(&to);
    if (ours == nullptr) return stranger("rename_over");
    Operation operation = at(Op::rename_over, name);
    operation.to_path = join(ours->path_, to_name);
    return perform(*state_, operation,
                   [&] { return real_->rename_over(name, *ours->real_, to_name); });
  }

  Result<void> rename_no_replace(std::string_view name, Directory& to,
                                 std::string_view to_name) override {
    auto* ours = dynamic_cast<FaultDirectory*>(&to);
    if (ours == nullptr) return stranger("rename_no_replace");
    Operation operation = at(Op::rename_no_replace, name);
    operation.to_path = join(ours->path_, to_name);
    return perform(*state_, operation,
                   [&] { return real_->rename_no_replace(name, *ours->real_, to_name); });
  }

  Result<void> remove_file(std::string_view path) override {
    return perform(*state_, at(Op::remove_file, path), [&] { return real_->remove_file(path); });
  }

  Result<std::unique_ptr<Directory>> open_directory(std::string_view name) override {
    return perform(
        *state_, at(Op::open_subdirectory, name), [&]() -> Result<std::unique_ptr<Directory>> {
          auto opened = real_->open_directory(name);
          if (!opened) return opened;
          return std::make_unique<FaultDirectory>(*std::move(opened), state_, join(path_, name));
        });
  }

  Result<void> make_directory(std::string_view name) override {
    return perform(*state_, at(Op::make_directory, name),
                   [&] { return real_->make_directory(name); });
  }

  Result<void> list(const std::function<bool(std::string_view)>& each) override {
    return perform(*state_, here(Op::list), [&] { return real_->list(each); });
  }

  Result<void> sync() override {
    return perform(*state_, here(Op::sync_directory), [&] { return real_->sync(); });
  }

 private:
  Operation here(Op op) const { return {.op = op, .path = path_, .to_path = {}}; }

  Operation at(Op op, std::string_view name) const {
    return {.op = op, .path = join(path_, name), .to_path = {}};
  }

  Result<std::unique_ptr<File>> wrap(Result<std::unique_ptr<File>> opened, std::string_view name) {
    if (!opened) return opened;
    return std::make_unique<FaultFile>(*std::move(opened), state_, join(path_, name));
  }

  std::unique_ptr<Directory> real_;
  std::shared_ptr<State> state_;
  const std::string path_;
};

}  // namespace

FaultFileSystem::FaultFileSystem(FileSystem& real)
    : real_(real), state_(std::make_shared<State>()) {}
FaultFileSystem::~FaultFileSystem() = default;

void FaultFileSystem::inject(const Fault& fault) { state_->inject(fault); }
void FaultFileSystem::clear_faults() { state_->clear_faults(); }
void FaultFileSystem::observe(std::function<void(const Operation&)> observer) {
  state_->observe(std::move(observer));
}
std::uint64_t FaultFileSystem::operations() const { return state_->operations(); }
std::vector<Operation> FaultFileSystem::injected() const { return state_->injected(); }

Result<std::unique_ptr<Directory>> FaultFileSystem::open_directory(std::string_view path) {
  return perform(*state_, {.op = Op::open_directory, .path = std::string(path), .to_path = {}},
                 [&]() -> Result<std::unique_ptr<Directory>> {
                   auto opened = real_.open_directory(path);
                   if (!opened) return opened;
                   return std::make_unique<FaultDirectory>(*std::move(opened), state_,
                                                           std::string(path));
                 });
}

Result<std::string> FaultFileSystem::resolve(std::string_view path) {
  return perform(*state_, {.op = Op::resolve, .path = std::string(path), .to_path = {}},
                 [&] { return real_.resolve(path); });
}

Result<std::string> FaultFileSystem::read_file(std::string_view path, std::size_t max_bytes) {
  return perform(*state_, {.op = Op::read_file, .path = std::string(path), .to_path = {}},
                 [&] { return real_.read_file(path, max_bytes); });
}

UserInfo FaultFileSystem::user() { return real_.user(); }

Result<std::string> FaultFileSystem::random_name() {
  return perform(*state_, {.op = Op::random_name, .path = {}, .to_path = {}},
                 [&] { return real_.random_name(); });
}

std::int64_t FaultFileSystem::now_s() { return real_.now_s(); }

}  // namespace larder::testing
