// Builds every OpenCL file of a directory through the cache, runs some of the kernels on a picture,
// and says on standard output, in one line of JSON, how it went. Only the calls of build_program
// are timed. `./quickstart` runs it several times and compares.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "device.h"
#include "larder/larder.h"
#include "larder/opencl.h"
#include "picture.h"
#include "progress.h"
#include "trials.h"

namespace darktable_job {
namespace {

namespace fs = std::filesystem;
using larder::Errc;
using larder::Error;
using larder::Result;

constexpr const char* usage =
    "usage: larder-opencl-job --kernels DIR --picture FILE.png --outputs DIR [--store STORE]\n"
    "Without --store: only the files whose kernels are run, and from source.\n";

struct Arguments {
  std::string kernels;
  std::string picture;
  std::string outputs;
  std::optional<std::string> store;
};

std::optional<Arguments> parse(std::span<char* const> words) {
  std::map<std::string, std::string> values;
  const std::set<std::string> known = {"--kernels", "--picture", "--outputs", "--store"};
  for (std::size_t i = 1; i < words.size(); i += 2) {
    if (i + 1 == words.size() || !known.contains(words[i])) return {};
    values[words[i]] = words[i + 1];
  }
  Arguments arguments{.kernels = values["--kernels"],
                      .picture = values["--picture"],
                      .outputs = values["--outputs"],
                      .store = {}};
  if (values.contains("--store")) arguments.store = values["--store"];
  if (arguments.kernels.empty() || arguments.picture.empty() || arguments.outputs.empty())
    return {};
  return arguments;
}

std::vector<fs::path> opencl_files(const Arguments& arguments) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(arguments.kernels)) {
    const fs::path& path = entry.path();
    const bool tried = std::ranges::any_of(
        trials(), [&](const Trial& trial) { return path.filename() == trial.file; });
    if (path.extension() == ".cl" && (arguments.store || tried)) files.push_back(path);
  }
  std::ranges::sort(files);
  return files;
}

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Work {
  std::map<std::string, larder::opencl::Program> programs;  // by file name
  std::size_t kernels = 0;
  std::size_t from_cache = 0;
  std::size_t from_source = 0;
  std::chrono::nanoseconds time{0};
};

std::size_t kernel_count(const larder::opencl::Program& program) {
  std::size_t count = 0;
  const cl_int status =
      clGetProgramInfo(program.get(), CL_PROGRAM_NUM_KERNELS, sizeof count, &count, nullptr);
  return status == CL_SUCCESS ? count : 0;
}

Result<Work> build_all(larder::Cache& cache, const Device& device, const Arguments& arguments) {
  const std::vector<fs::path> files = opencl_files(arguments);
  Work work;
  Progress progress(files.size());
  for (const fs::path& file : files) {
    const larder::opencl::ProgramSpec spec = {
        .context = device.context(),
        .devices = {device.id()},
        .sources = {read_text(file)},
        .options = "-cl-fast-relaxed-math -I" + arguments.kernels};
    const auto began = std::chrono::steady_clock::now();
    auto program = larder::opencl::build_program(cache, spec);
    work.time += std::chrono::steady_clock::now() - began;
    if (!program) return std::unexpected(std::move(program).error());
    ++(program->origin() == larder::opencl::Origin::cache ? work.from_cache : work.from_source);
    work.kernels += kernel_count(*program);
    work.programs[file.filename()] = *std::move(program);
    progress.step(work.programs.size(), file.filename().string());
  }
  return work;
}

// One file of floats for each trial, for `cmp`.
Result<void> run_trials(const Device& device, const Work& work, const Arguments& arguments) {
  const auto picture = read_png(arguments.picture);
  if (!picture) return std::unexpected(picture.error());
  fs::create_directories(arguments.outputs);
  for (const Trial& trial : trials()) {
    const auto program = work.programs.find(std::string(trial.file));
    if (program == work.programs.end()) {
      return std::unexpected(Error{.code = Errc::invalid_argument,
                                   .message = arguments.kernels + ": no " +
                                              std::string(trial.file) +
                                              " there; name darktable's kernels directory"});
    }
    const auto pixels = run_trial(device, program->second.get(), trial, *picture);
    if (!pixels) return std::unexpected(pixels.error());
    if (std::ranges::all_of(*pixels, [](float value) { return value == 0.0F; })) {
      return std::unexpected(Error{
          .code = Errc::unsupported,
          .message = std::string(trial.kernel) + " made a black picture; the driver is broken"});
    }
    const fs::path path = fs::path(arguments.outputs) / std::string(trial.kernel);
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(pixels->data()),
              static_cast<std::streamsize>(pixels->size() * sizeof(float)));
    if (!out.flush()) {
      return std::unexpected(Error{.code = Errc::io_error,
                                   .message = path.string() + ": not written; free some space"});
    }
  }
  return {};
}

void print(const Device& device, const Work& work, const larder::Metrics& metrics) {
  const auto ms = std::chrono::duration<double, std::milli>(work.time).count();
  std::printf(
      "{\"device\": \"%s\", \"programs\": %zu, \"kernels\": %zu, \"build_ms\": %.1f, "
      "\"from_cache\": %zu, \"from_source\": %zu, \"corrupt\": %llu, \"put_bytes\": %llu, "
      "\"hit_bytes\": %llu, \"outputs\": %zu}\n",
      device.name().c_str(), work.programs.size(), work.kernels, ms, work.from_cache,
      work.from_source, static_cast<unsigned long long>(metrics.corrupt),
      static_cast<unsigned long long>(metrics.put_bytes),
      static_cast<unsigned long long>(metrics.hit_bytes), trials().size());
}

Result<void> run(const Arguments& arguments) {
  auto device = Device::first();
  if (!device) return std::unexpected(device.error());
  larder::OpenOptions options;
  options.location = arguments.store;
  if (!arguments.store) options.mode = larder::Mode::disabled;
  auto cache = larder::open(options);
  if (!cache) return std::unexpected(cache.error());
  const auto work = build_all(*cache, *device, arguments);
  if (!work) return std::unexpected(work.error());
  if (auto ran = run_trials(*device, *work, arguments); !ran) return ran;
  if (auto flushed = cache->flush(); !flushed) return flushed;
  print(*device, *work, cache->metrics());
  return {};
}

}  // namespace
}  // namespace darktable_job

int main(int count, char** words) {
  try {
    const auto arguments = darktable_job::parse(std::span(words, static_cast<std::size_t>(count)));
    if (!arguments) return std::fputs(darktable_job::usage, stderr), 2;
    const auto done = darktable_job::run(*arguments);
    if (done) return 0;
    std::fprintf(stderr, "larder-opencl-job: %s\n", done.error().message.c_str());
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "larder-opencl-job: %s\n", problem.what());
  }
  return 1;
}
