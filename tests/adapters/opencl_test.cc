// Programs out of the cache, with a real driver (PoCL runs on every processor).
#include "larder/opencl.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "adapters/opencl/binaries.h"
#include "larder/larder.h"
#include "temporary_directory.h"

namespace larder::opencl {
namespace {

namespace fs = std::filesystem;

const std::string scale_source = R"(
#ifdef WITH_HEADER
#include "factor.h"
#endif
#ifndef FACTOR
#define FACTOR 3
#endif
kernel void scale(global const int *in, global int *out) {
  const size_t i = get_global_id(0);
  out[i] = FACTOR * in[i];
}
)";

// One context for the process: drivers dislike making many.
struct Machine {
  cl_device_id device = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
};

Machine make_machine() {
  Machine machine;
  cl_platform_id platform = nullptr;
  cl_int status = clGetPlatformIDs(1, &platform, nullptr);
  if (status == CL_SUCCESS) {
    status = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &machine.device, nullptr);
  }
  if (status != CL_SUCCESS) return machine;
  machine.context = clCreateContext(nullptr, 1, &machine.device, nullptr, nullptr, &status);
  machine.queue = clCreateCommandQueue(machine.context, machine.device, 0, &status);
  return machine;
}

const Machine& machine() {
  static const Machine made = make_machine();
  return made;
}

ProgramSpec scale_spec(const std::string& options) {
  return {.context = machine().context,
          .devices = {machine().device},
          .sources = {scale_source},
          .options = options};
}

// The kernel's answer for 1, 2, 3, 4.
std::array<int, 4> run(const Program& program) {
  const std::array<int, 4> in = {1, 2, 3, 4};
  std::array<int, 4> out{};
  cl_int status = CL_SUCCESS;
  cl_kernel kernel = clCreateKernel(program.get(), "scale", &status);
  EXPECT_EQ(status, CL_SUCCESS);
  cl_mem from = clCreateBuffer(machine().context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                               sizeof in, const_cast<int*>(in.data()), &status);
  cl_mem to = clCreateBuffer(machine().context, CL_MEM_WRITE_ONLY, sizeof out, nullptr, &status);
  clSetKernelArg(kernel, 0, sizeof from, static_cast<const void*>(&from));
  clSetKernelArg(kernel, 1, sizeof to, static_cast<const void*>(&to));
  const std::size_t size = in.size();
  status = clEnqueueNDRangeKernel(machine().queue, kernel, 1, nullptr, &size, nullptr, 0, nullptr,
                                  nullptr);
  EXPECT_EQ(status, CL_SUCCESS);
  status = clEnqueueReadBuffer(machine().queue, to, CL_TRUE, 0, sizeof out, out.data(), 0, nullptr,
                               nullptr);
  EXPECT_EQ(status, CL_SUCCESS);
  clReleaseMemObject(from);
  clReleaseMemObject(to);
  clReleaseKernel(kernel);
  return out;
}

constexpr std::array<int, 4> times_three = {3, 6, 9, 12};
constexpr std::array<int, 4> times_five = {5, 10, 15, 20};

Cache open_at(const std::string& directory, Mode mode = Mode::read_write) {
  auto cache = larder::open({.location = "file:" + directory, .mode = mode, .memory_bytes = 0});
  if (!cache) throw std::runtime_error(cache.error().message);
  return *cache;
}

class Opencl : public testing::Test {
 protected:
  std::string store() const { return (root_ / "store").string(); }

  // Asks with a store object of its own, so that every answer comes from disk.
  Program build(const ProgramSpec& spec, Mode mode = Mode::read_write) {
    Cache cache = open_at(store(), mode);
    auto program = build_program(cache, spec);
    EXPECT_TRUE(program) << program.error().message;
    metrics_ = cache.metrics();
    return program ? *std::move(program) : Program();
  }

  Fingerprint only_entry() {
    std::vector<Fingerprint> found;
    const auto visited = open_at(store()).store().visit([&](const EntryInfo& info) {
      found.push_back(info.fingerprint);
      return Visit::go_on;
    });
    EXPECT_TRUE(visited);
    EXPECT_EQ(found.size(), 1U);
    return found.empty() ? Fingerprint() : found.front();
  }

  void replace_entry(const std::string& payload) {
    Cache cache = open_at(store());
    const auto put = cache.put(only_entry(), std::as_bytes(std::span(payload)));
    EXPECT_TRUE(put) << put.error().message;
  }

  TemporaryDirectory root_;
  Metrics metrics_;
};

TEST_F(Opencl, MissThenHitWithEqualResults) {
  const Program cold = build(scale_spec(""));
  EXPECT_EQ(cold.origin(), Origin::source);
  EXPECT_EQ(run(cold), times_three);
  const Program warm = build(scale_spec(""));
  EXPECT_EQ(warm.origin(), Origin::cache);
  EXPECT_EQ(run(warm), times_three);
  EXPECT_EQ(metrics_.hits, 1U);
  const Program without = build(scale_spec(""), Mode::disabled);
  EXPECT_EQ(without.origin(), Origin::source);
  EXPECT_EQ(run(without), times_three);
}

TEST_F(Opencl, HitInAnotherProcess) {
  build(scale_spec(""));
  const std::string self = fs::read_symlink("/proc/self/exe");
  EXPECT_EQ(std::system((self + " --build " + store()).c_str()), 0);
}

TEST_F(Opencl, OtherOptionsOrInputsMiss) {
  EXPECT_EQ(build(scale_spec("-DFACTOR=3")).origin(), Origin::source);
  const Program five = build(scale_spec("-DFACTOR=5"));
  EXPECT_EQ(five.origin(), Origin::source);
  EXPECT_EQ(run(five), times_five);
  ProgramSpec more = scale_spec("-DFACTOR=3");
  more.extra_inputs = {"driver setting"};
  EXPECT_EQ(build(more).origin(), Origin::source);
  EXPECT_EQ(build(scale_spec("-DFACTOR=3")).origin(), Origin::cache);
}

TEST_F(Opencl, AChangedHeaderMisses) {
  const ProgramSpec spec = scale_spec("-DWITH_HEADER -I" + root_.path().string());
  std::ofstream(root_ / "factor.h") << "#define FACTOR 3\n";
  EXPECT_EQ(run(build(spec)), times_three);
  EXPECT_EQ(build(spec).origin(), Origin::cache);
  std::ofstream(root_ / "factor.h") << "#define FACTOR 5\n";
  const Program changed = build(spec);
  EXPECT_EQ(changed.origin(), Origin::source);
  EXPECT_EQ(run(changed), times_five);
}

TEST_F(Opencl, HeadersThatCannotBeToldAreNeverCached) {
  ProgramSpec spec = scale_spec("-I" + root_.path().string());
  spec.sources.insert(spec.sources.begin(), "#define NAME \"factor.h\"\n#include NAME\n");
  std::ofstream(root_ / "factor.h") << "#define FACTOR 5\n";
  EXPECT_EQ(run(build(spec)), times_five);
  const Program again = build(spec);
  EXPECT_EQ(again.origin(), Origin::source);
  EXPECT_EQ(metrics_.lookups, 0U);
}

// Only a wrong header is refused by every driver: PoCL dies on other damage, which never reaches
// it.
TEST_F(Opencl, ARefusedBinaryIsDroppedAndRebuilt) {
  build(scale_spec(""));
  for (const std::string& bad :
       {encode_binaries(std::vector<std::string>{"this is no program"}), std::string("nor this")}) {
    replace_entry(bad);
    const Program rebuilt = build(scale_spec(""));
    EXPECT_EQ(rebuilt.origin(), Origin::source);
    EXPECT_EQ(run(rebuilt), times_three);
    const Program stored_anew = build(scale_spec(""));
    EXPECT_EQ(stored_anew.origin(), Origin::cache);
    EXPECT_EQ(run(stored_anew), times_three);
  }
}

TEST_F(Opencl, ARefusedBinaryStaysWhereNothingMayBeWritten) {
  build(scale_spec(""));
  replace_entry(encode_binaries(std::vector<std::string>{"this is no program"}));
  const Program built = build(scale_spec(""), Mode::read_only);
  EXPECT_EQ(built.origin(), Origin::source);
  EXPECT_EQ(run(built), times_three);
  Cache cache = open_at(store(), Mode::must_hit);
  const auto refused = build_program(cache, scale_spec(""));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::must_hit);
}

TEST_F(Opencl, ABuildErrorCarriesTheLog) {
  Cache cache = open_at(store());
  ProgramSpec spec = scale_spec("");
  spec.sources = {"kernel void broken() { undeclared_thing = 1; }\n"};
  const auto program = build_program(cache, spec);
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code, Errc::compile_failed);
  EXPECT_NE(program.error().message.find("undeclared_thing"), std::string::npos)
      << program.error().message;
}

TEST_F(Opencl, WrongSpecsAreRefused) {
  Cache cache = open_at(store());
  ProgramSpec no_context = scale_spec("");
  no_context.context = nullptr;
  ProgramSpec no_devices = scale_spec("");
  no_devices.devices.clear();
  ProgramSpec no_sources = scale_spec("");
  no_sources.sources.clear();
  for (const ProgramSpec& spec : {no_context, no_devices, no_sources}) {
    const auto program = build_program(cache, spec);
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code, Errc::invalid_argument);
  }
}

// What HitInAnotherProcess starts: 0 when the program came from the cache and works.
int build_in_this_process(const std::string& directory) {
  Cache cache = open_at(directory);
  const auto program = build_program(cache, scale_spec(""));
  const bool good = program && program->origin() == Origin::cache && run(*program) == times_three;
  return good ? 0 : 1;
}

// PoCL's own cache would hide what ours does, and leaves files behind.
class PrivatePocl {
 public:
  PrivatePocl() {
    setenv("POCL_CACHE_DIR", directory_.path().c_str(), 1);
    setenv("POCL_KERNEL_CACHE", "0", 1);
  }

 private:
  TemporaryDirectory directory_;
};

}  // namespace
}  // namespace larder::opencl

int main(int count, char** words) {
  const larder::opencl::PrivatePocl pocl;
  if (count == 3 && std::string(words[1]) == "--build") {
    return larder::opencl::build_in_this_process(words[2]);
  }
  testing::InitGoogleTest(&count, words);
  return RUN_ALL_TESTS();
}
