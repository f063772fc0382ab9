#include "larder/testing/fault_file_system.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <set>
#include <thread>

namespace larder::testing {
namespace {

// Every operation succeeds and is noted by its name.
struct Notes {
  std::vector<std::string> calls;
  std::vector<std::byte> written;  // by the last write

  Result<void> note(std::string_view name) {
    add(name);
    return {};
  }

  void add(std::string_view name) { calls.emplace_back(name); }
};

class NotingMapping final : public Mapping {
 public:
  explicit NotingMapping(Notes& notes) : notes_(notes) {}
  std::span<std::byte> bytes() const noexcept override { return {}; }
  Result<void> check(std::uint64_t, std::uint64_t) override { return notes_.note("check"); }

 private:
  Notes& notes_;
};

class NotingFile final : public File {
 public:
  explicit NotingFile(Notes& notes) : notes_(notes) {}
  Result<FileInfo> info() override {
    notes_.add("file_info");
    return FileInfo{};
  }
  Result<std::size_t> read_at(std::span<std::byte> into, std::uint64_t) override {
    notes_.add("read_at");
    std::ranges::fill(into, std::byte{0});
    return into.size();
  }
  Result<void> write_at(std::span<const std::span<const std::byte>> pieces,
                        std::uint64_t) override {
    notes_.written.clear();
    for (const auto piece : pieces) {
      notes_.written.insert(notes_.written.end(), piece.begin(), piece.end());
    }
    return notes_.note("write_at");
  }
  Result<void> reserve(std::uint64_t) override { return notes_.note("reserve"); }
  Result<void> trim(std::uint64_t) override { return notes_.note("trim"); }
  Result<void> allocate(std::uint64_t) override { return notes_.note("allocate"); }
  Result<std::unique_ptr<Mapping>> map(OpenMode, std::uint64_t) override {
    notes_.add("map");
    return std::make_unique<NotingMapping>(notes_);
  }
  Result<void> start_writeback() override { return notes_.note("start_writeback"); }
  Result<void> sync_data() override { return notes_.note("sync_data"); }
  Result<void> touch() override { return notes_.note("touch"); }
  Result<bool> try_lock(LockMode, std::uint64_t, std::uint64_t) override {
    notes_.add("try_lock");
    return true;
  }
  Result<void> unlock(std::uint64_t, std::uint64_t) override { return notes_.note("unlock"); }
  Result<bool> is_locked(std::uint64_t, std::uint64_t) override {
    notes_.add("is_locked");
    return true;
  }
  Result<void> close() override { return notes_.note("close"); }

 private:
  Notes& notes_;
};

class NotingDirectory final : public Directory {
 public:
  explicit NotingDirectory(Notes& notes) : notes_(notes) {}
  Result<FileInfo> info() override {
    notes_.add("directory_info");
    return FileInfo{};
  }
  Result<FileInfo> info_at(std::string_view) override {
    notes_.add("info_at");
    return FileInfo{};
  }
  Result<SpaceInfo> space() override {
    notes_.add("space");
    return SpaceInfo{};
  }
  Result<std::string> file_system_type() override {
    notes_.add("file_system_type");
    return "ext4";
  }
  Result<std::unique_ptr<File>> open_file(std::string_view, OpenMode) override {
    return file("open_file");
  }
  Result<std::unique_ptr<File>> open_or_create_file(std::string_view) override {
    return file("open_or_create_file");
  }
  Result<std::unique_ptr<File>> create_anonymous() override { return file("create_anonymous"); }
  Result<std::unique_ptr<File>> create_file(std::string_view) override {
    return file("create_file");
  }
  Result<void> link(File& file, std::string_view) override {
    EXPECT_NE(dynamic_cast<NotingFile*>(&file), nullptr) << "a wrapper was passed down";
    return notes_.note("link");
  }
  Result<void> rename_over(std::string_view, Directory& to, std::string_view) override {
    EXPECT_NE(dynamic_cast<NotingDirectory*>(&to), nullptr) << "a wrapper was passed down";
    return notes_.note("rename_over");
  }
  Result<void> rename_no_replace(std::string_view, Directory& to, std::string_view) override {
    EXPECT_NE(dynamic_cast<NotingDirectory*>(&to), nullptr) << "a wrapper was passed down";
    return notes_.note("rename_no_replace");
  }
  Result<void> remove_file(std::string_view) override { return notes_.note("remove_file"); }
  Result<std::unique_ptr<Directory>> open_directory(std::string_view) override {
    notes_.add("open_subdirectory");
    return std::make_unique<NotingDirectory>(notes_);
  }
  Result<void> make_directory(std::string_view) override { return notes_.note("make_directory"); }
  Result<void> list(const std::function<bool(std::string_view)>& each) override {
    each("name");
    return notes_.note("list");
  }
  Result<void> sync() override { return notes_.note("sync_directory"); }

 private:
  Result<std::unique_ptr<File>> file(std::string_view name) {
    notes_.add(name);
    return std::make_unique<NotingFile>(notes_);
  }
  Notes& notes_;
};

class NotingFileSystem final : public FileSystem {
 public:
  Notes notes;

  Result<std::unique_ptr<Directory>> open_directory(std::string_view) override {
    notes.add("open_directory");
    return std::make_unique<NotingDirectory>(notes);
  }
  Result<std::string> resolve(std::string_view) override {
    notes.add("resolve");
    return "/resolved";
  }
  Result<std::string> read_file(std::string_view, std::size_t) override {
    notes.add("read_file");
    return "content";
  }
  UserInfo user() override { return {.effective = 7}; }
  Result<std::string> random_name() override {
    notes.add("random_name");
    return "0123";
  }
  std::int64_t now_s() override { return 42; }
};

// Opened before any fault: what the operations under test are called on.
struct Handles {
  std::unique_ptr<Directory> directory;
  std::unique_ptr<File> file;
  std::unique_ptr<Mapping> mapping;

  explicit Handles(FileSystem& fs)
      : directory(fs.open_directory("root").value()),
        file(directory->create_anonymous().value()),
        mapping(file->map(OpenMode::read, 1).value()) {}
};

template <class T>
std::optional<Error> error_of(const Result<T>& result) {
  return result ? std::nullopt : std::optional(result.error());
}

// Calls the one function that `op` stands for.
std::optional<Error> call(Op op, FileSystem& fs, Handles& on) {
  std::array<std::byte, 4> bytes{};
  const std::span<const std::byte> piece(bytes);
  switch (op) {
    case Op::file_info: return error_of(on.file->info());
    case Op::read_at: return error_of(on.file->read_at(bytes, 0));
    case Op::write_at: return error_of(on.file->write_at(std::span(&piece, 1), 0));
    case Op::reserve: return error_of(on.file->reserve(1));
    case Op::trim: return error_of(on.file->trim(0));
    case Op::allocate: return error_of(on.file->allocate(1));
    case Op::map: return error_of(on.file->map(OpenMode::read, 1));
    case Op::check: return error_of(on.mapping->check(0, 1));
    case Op::start_writeback: return error_of(on.file->start_writeback());
    case Op::sync_data: return error_of(on.file->sync_data());
    case Op::touch: return error_of(on.file->touch());
    case Op::try_lock: return error_of(on.file->try_lock(LockMode::shared, 0, 0));
    case Op::unlock: return error_of(on.file->unlock(0, 0));
    case Op::is_locked: return error_of(on.file->is_locked(0, 0));
    case Op::close: return error_of(on.file->close());
    case Op::directory_info: return error_of(on.directory->info());
    case Op::info_at: return error_of(on.directory->info_at("a"));
    case Op::space: return error_of(on.directory->space());
    case Op::file_system_type: return error_of(on.directory->file_system_type());
    case Op::open_file: return error_of(on.directory->open_file("a", OpenMode::read));
    case Op::open_or_create_file: return error_of(on.directory->open_or_create_file("a"));
    case Op::create_anonymous: return error_of(on.directory->create_anonymous());
    case Op::create_file: return error_of(on.directory->create_file("a"));
    case Op::link: return error_of(on.directory->link(*on.file, "a"));
    case Op::rename_over: return error_of(on.directory->rename_over("a", *on.directory, "b"));
    case Op::rename_no_replace:
      return error_of(on.directory->rename_no_replace("a", *on.directory, "b"));
    case Op::remove_file: return error_of(on.directory->remove_file("a"));
    case Op::open_subdirectory: return error_of(on.directory->open_directory("a"));
    case Op::make_directory: return error_of(on.directory->make_directory("a"));
    case Op::list: return error_of(on.directory->list([](std::string_view) { return true; }));
    case Op::sync_directory: return error_of(on.directory->sync());
    case Op::open_directory: return error_of(fs.open_directory("a"));
    case Op::resolve: return error_of(fs.resolve("a"));
    case Op::read_file: return error_of(fs.read_file("a", 10));
    case Op::random_name: return error_of(fs.random_name());
  }
  return Error{.message = "no such operation"};
}

std::vector<Op> every_op() {
  std::vector<Op> ops;
  for (std::size_t i = 0; i < op_count; ++i) ops.push_back(static_cast<Op>(i));
  return ops;
}

TEST(FaultFileSystem, WithoutAFaultEachOperationIsPassedOnOnce) {
  for (const Op op : every_op()) {
    NotingFileSystem real;
    FaultFileSystem faults(real);
    Handles handles(faults);
    const std::uint64_t before = faults.operations();
    real.notes.calls.clear();
    EXPECT_FALSE(call(op, faults, handles)) << op_name(op);
    EXPECT_EQ(real.notes.calls, std::vector<std::string>{std::string(op_name(op))});
    EXPECT_EQ(faults.operations(), before + 1);
    EXPECT_TRUE(faults.injected().empty());
  }
}

TEST(FaultFileSystem, ARefusedOperationIsNotDoneAndSaysWhatItWas) {
  for (const Op op : every_op()) {
    NotingFileSystem real;
    FaultFileSystem faults(real);
    Handles handles(faults);
    real.notes.calls.clear();
    faults.inject({.only = op, .os_error = ENOSPC});

    const auto error = call(op, faults, handles);
    ASSERT_TRUE(error) << op_name(op);
    EXPECT_EQ(error->code, Errc::no_space);
    EXPECT_EQ(error->os_error, ENOSPC);
    EXPECT_TRUE(error->message.starts_with(op_name(op))) << error->message;
    // A descriptor is gone after close, whatever close said.
    EXPECT_EQ(real.notes.calls.size(), op == Op::close ? 1u : 0u) << op_name(op);

    const auto injected = faults.injected();
    ASSERT_EQ(injected.size(), 1u);
    EXPECT_EQ(injected[0].op, op);
    EXPECT_FALSE(call(op, faults, handles)) << "once means once";
  }
}

TEST(FaultFileSystem, ARefusalAfterwardsHasDoneIt) {
  for (const Op op : every_op()) {
    NotingFileSystem real;
    FaultFileSystem faults(real);
    Handles handles(faults);
    real.notes.calls.clear();
    faults.inject({.only = op, .effect = Effect::refuse_after});
    EXPECT_TRUE(call(op, faults, handles)) << op_name(op);
    EXPECT_EQ(real.notes.calls, std::vector<std::string>{std::string(op_name(op))});
  }
}

TEST(FaultFileSystem, NamesAreDifferent) {
  std::set<std::string_view> names;
  for (const Op op : every_op()) names.insert(op_name(op));
  EXPECT_EQ(names.size(), op_count);
}

TEST(FaultFileSystem, FailsTheNthOnceOrForEver) {
  NotingFileSystem real;
  FaultFileSystem faults(real);
  Handles handles(faults);
  faults.inject({.at = 3});
  const auto fails = [&] { return call(Op::touch, faults, handles).has_value(); };
  EXPECT_EQ((std::array{fails(), fails(), fails(), fails()}),
            (std::array{false, false, true, false}));

  faults.inject({.at = 2, .repeat = Repeat::for_ever});
  EXPECT_EQ((std::array{fails(), fails(), fails(), fails()}),
            (std::array{false, true, true, true}));
  faults.clear_faults();
  EXPECT_FALSE(fails());
  EXPECT_EQ(faults.injected().size(), 4u);
}

TEST(FaultFileSystem, FiltersByPathTargetsIncluded) {
  NotingFileSystem real;
  FaultFileSystem faults(real);
  Handles handles(faults);
  faults.inject({.path_contains = "root/b", .repeat = Repeat::for_ever});
  EXPECT_FALSE(call(Op::info_at, faults, handles));
  EXPECT_TRUE(call(Op::rename_over, faults, handles)) << "it moves to root/b";
  EXPECT_FALSE(call(Op::touch, faults, handles));
  ASSERT_TRUE(handles.directory->link(*handles.file, "a"));
  EXPECT_FALSE(handles.directory->link(*handles.file, "b"));
  faults.inject({.path_contains = "root/a", .repeat = Repeat::for_ever});
  EXPECT_TRUE(call(Op::touch, faults, handles)) << "the file has been linked as root/a";
}

TEST(FaultFileSystem, AMappingGoesByTheNameThatItsFileHad) {
  NotingFileSystem real;
  FaultFileSystem faults(real);
  Handles handles(faults);
  ASSERT_TRUE(handles.directory->link(*handles.file, "a"));
  const auto later = handles.file->map(OpenMode::read, 1).value();
  faults.inject({.only = Op::check, .path_contains = "root/a", .repeat = Repeat::for_ever});
  EXPECT_FALSE(later->check(0, 1));
  EXPECT_TRUE(handles.mapping->check(0, 1)) << "it was mapped before the file had a name";
}

TEST(FaultFileSystem, AMappingOutlivesItsFileAndTheFileSystem) {
  NotingFileSystem real;
  auto faults = std::make_unique<FaultFileSystem>(real);
  auto handles = std::make_unique<Handles>(*faults);
  const auto mapping = std::move(handles->mapping);
  faults->inject({.only = Op::check, .at = 2});
  handles.reset();
  faults.reset();
  EXPECT_TRUE(mapping->check(0, 1));
  EXPECT_FALSE(mapping->check(0, 1));
}

TEST(FaultFileSystem, TurnsOneBitOfARead) {
  NotingFileSystem real;
  FaultFileSystem faults(real);
  Handles handles(faults);
  faults.inject({.effect = Effect::flip_bit, .bit = 8 * 4 + 13});
  ASSERT_FALSE(call(Op::touch, faults, handles)) << "only a read or a write can be spoilt";
  std::array<std::byte, 4> bytes{};
  ASSERT_TRUE(handles.file->read_at(bytes, 0));
  EXPECT_EQ(bytes, (std::array<std::byte, 4>{std::byte{0}, std::byte{0x20}}));
  ASSERT_TRUE(handles.file->read_at(bytes, 0));
  EXPECT_EQ(bytes, (std::array<std::byte, 4>{}));
}

std::vector<std::byte> bytes_from_1_to(int last) {
  std::vector<std::byte> bytes;
  for (int i = 1; i <= last; ++i) bytes.push_back(static_cast<std::byte>(i));
  return bytes;
}

TEST(FaultFileSystem, TurnsOneBitOfAWriteAndNotOfTheCallersBytes) {
  NotingFileSystem real;
  FaultFileSystem faults(real);
  Handles handles(faults);
  faults.inject({.only = Op::write_at, .effect = Effect::flip_bit, .bit = 8});
  const std::vector<std::byte> bytes = bytes_from_1_to(4);
  const std::array<std::span<const std::byte>, 2> pieces = {std::span(bytes).first(1),
                                                            std::span(bytes).subspan(1)};
  ASSERT_TRUE(handles.file->write_at(pieces, 0));
  EXPECT_EQ(bytes, bytes_from_1_to(4));
  std::vector<std::byte> expected = bytes;
  expected[1] = std::byte{3};
  EXPECT_EQ(real.notes.written, expected);
  ASSERT_TRUE(handles.file->write_at(pieces, 0));
  EXPECT_EQ(real.notes.written, bytes);
}

TEST(FaultFileSystem, ATornWriteWritesHalfAndFails) {
  NotingFileSystem real;
  FaultFileSystem faults(real);
  Handles handles(faults);
  faults.inject({.effect = Effect::tear, .os_error = ENOSPC});
  ASSERT_FALSE(call(Op::touch, faults, handles)) << "only a write can be torn";
  const std::vector<std::byte> bytes = bytes_from_1_to(5);
  const std::span<const std::byte> piece = bytes;
  const auto written = handles.file->write_at(std::span(&piece, 1), 0);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().os_error, ENOSPC);
  EXPECT_EQ(real.notes.written, bytes_from_1_to(2));
}

TEST(FaultFileSystem, AShortenedReadGivesHalf) {
  NotingFileSystem real;
  FaultFileSystem faults(real);
  Handles handles(faults);
  faults.inject({.effect = Effect::shorten});
  std::array<std::byte, 5> bytes{};
  EXPECT_EQ(handles.file->read_at(bytes, 0).value(), 2u);
  EXPECT_EQ(handles.file->read_at(bytes, 0).value(), 5u);
}

TEST(FaultFileSystem, ADelayedOperationIsDoneOnce) {
  for (const Op op : every_op()) {
    NotingFileSystem real;
    FaultFileSystem faults(real);
    Handles handles(faults);
    real.notes.calls.clear();
    faults.inject({.only = op, .effect = Effect::delay, .delay_ms = 2});
    const auto before = std::chrono::steady_clock::now();
    EXPECT_FALSE(call(op, faults, handles)) << op_name(op);
    EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(2));
    EXPECT_EQ(real.notes.calls, std::vector<std::string>{std::string(op_name(op))});
    EXPECT_EQ(faults.injected().size(), 1u);
  }
}

TEST(FaultFileSystem, EveryOperationHasErrorsOfItsOwn) {
  for (const Op op : every_op()) {
    const auto errors = possible_errors(op);
    EXPECT_FALSE(errors.empty()) << op_name(op);
    EXPECT_EQ(std::set<int>(errors.begin(), errors.end()).size(), errors.size()) << op_name(op);
    for (const int os_error : errors) {
      EXPECT_NE(code_of(os_error), Errc::absent) << op_name(op);
      EXPECT_NE(code_of(os_error), Errc::exists) << op_name(op);
      EXPECT_NE(code_of(os_error), Errc::not_ours) << op_name(op);
    }
  }
}

TEST(FaultFileSystem, TheObserverSeesEachOperationFirstAndMayUseTheFileSystem) {
  NotingFileSystem real;
  FaultFileSystem faults(real);
  Handles handles(faults);
  std::vector<Operation> seen;
  real.notes.calls.clear();
  faults.observe([&](const Operation& operation) {
    seen.push_back(operation);
    if (operation.op == Op::link) call(Op::touch, faults, handles);
  });
  call(Op::link, faults, handles);
  EXPECT_EQ(real.notes.calls, (std::vector<std::string>{"touch", "link"}));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].number + 1, seen[1].number);
  EXPECT_EQ(seen[0].to_path, "root/a");
}

TEST(FaultFileSystem, CodesAreThoseOfTheInterface) {
  EXPECT_EQ(code_of(ENOENT), Errc::absent);
  EXPECT_EQ(code_of(EDQUOT), Errc::no_space);
  EXPECT_EQ(code_of(EPERM), Errc::permission_denied);
  EXPECT_EQ(code_of(EROFS), Errc::read_only);
  for (const int os_error : {ELOOP, ENOTDIR, EISDIR, ENXIO, EXDEV}) {
    EXPECT_EQ(code_of(os_error), Errc::not_ours) << os_error;
  }
  EXPECT_EQ(code_of(EOPNOTSUPP), Errc::unsupported);
  EXPECT_EQ(code_of(ENOMEM), Errc::out_of_memory);
  EXPECT_EQ(code_of(EEXIST), Errc::exists);
  EXPECT_EQ(code_of(EMFILE), Errc::io_error);
  EXPECT_EQ(code_of(ESTALE), Errc::io_error);
}

TEST(FaultFileSystem, RefusesHandlesOfAnotherFileSystem) {
  NotingFileSystem real;
  FaultFileSystem faults(real);
  Handles handles(faults);
  const auto stranger = real.open_directory("elsewhere").value();
  EXPECT_EQ(handles.directory->rename_over("a", *stranger, "b").error().code,
            Errc::invalid_argument);
}

TEST(FaultFileSystem, CountsTheOperationsOfAllThreads) {
  NotingFileSystem real;
  FaultFileSystem faults(real);
  faults.inject({.repeat = Repeat::for_ever});  // so that the notes are not shared
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) EXPECT_FALSE(faults.random_name());
    });
  }
  threads.clear();
  EXPECT_EQ(faults.operations(), 4000u);
  std::set<std::uint64_t> numbers;
  for (const Operation& operation : faults.injected()) numbers.insert(operation.number);
  EXPECT_EQ(numbers.size(), 4000u);
}

}  // namespace
}  // namespace larder::testing
