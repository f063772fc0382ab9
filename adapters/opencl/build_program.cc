// Who pays for what: the call that compiles from source keeps the program it made, so that only
// later calls build from binaries. Fetching the binaries makes some drivers (PoCL) generate code
// for every kernel, so this is done only where the result is going to be stored.
//
// Headers may change while the compiler reads them. They are scanned before and after: only when
// both scans agree is the result stored, else this caller alone gets it.
//
// A binary is handed to the driver only as the cache verified it: drivers die on damaged ones.
#include <functional>
#include <new>
#include <optional>

#include "binaries.h"
#include "driver.h"
#include "headers.h"
#include "larder/file_system.h"
#include "larder/opencl.h"

namespace larder::opencl {
namespace {

constexpr std::string_view domain = "larder 2026-11 opencl v1";

Result<void> check(const ProgramSpec& spec) {
  const auto wrong = [](const char* message) {
    return std::unexpected(Error{.code = Errc::invalid_argument, .message = message});
  };
  if (spec.context == nullptr) return wrong("OpenCL program: no context; create one first");
  if (spec.devices.empty()) return wrong("OpenCL program: no devices; pass at least one");
  if (spec.sources.empty()) return wrong("OpenCL program: no sources; pass at least one");
  if (spec.options.contains('\0')) return wrong("OpenCL program: a zero byte in the options");
  return {};
}

Headers scan(const ProgramSpec& spec) {
  return scan_headers(posix_file_system(), spec.sources, spec.options);
}

Result<Recipe> make_recipe(const ProgramSpec& spec, const Headers& headers) {
  Recipe recipe(domain);
  recipe.field("sources", spec.sources)
      .field("options", spec.options)
      .field("includes", headers.includes)
      .field("header_contents", headers.contents)
      .field("extra_inputs", spec.extra_inputs);
  if (auto added = add_device_fields(recipe, spec.devices); !added) {
    return std::unexpected(std::move(added).error());
  }
  return recipe;
}

// One call of build_program, past the scan of the headers.
class Build {
 public:
  Build(Cache& cache, const ProgramSpec& spec, const Headers& headers, const Recipe& recipe,
        const Fingerprint& fingerprint)
      : cache_(cache), spec_(spec), headers_(headers), recipe_(recipe), fingerprint_(fingerprint) {}

  Result<Program> run() {
    // A look-up, then a second one after a refused binary was removed; then enough is enough.
    for (int attempt = 0; attempt < 2; ++attempt) {
      auto artifact = look_up();
      if (compiled_) return std::move(compiled_);
      if (!artifact) return std::unexpected(std::move(artifact).error());
      if (!*artifact) return build_from_source(spec_);
      if (Program program = from_binaries(**artifact)) return program;
      if (cache_.mode() == Mode::must_hit) return refused_in_must_hit();
      // Its loss is the purpose; when it stays (read-only), so does the time this costs.
      static_cast<void>(cache_.remove(fingerprint_));
    }
    return build_from_source(spec_);
  }

 private:
  Result<std::optional<Artifact>> look_up() {
    const Mode mode = cache_.mode();
    if (mode == Mode::disabled) return std::nullopt;
    if (mode == Mode::read_only || mode == Mode::must_hit) return cache_.get(fingerprint_);
    return cache_.get_or_compile(fingerprint_, [this] { return compile(); }, recipe_.encode());
  }

  // The error of a program that cannot be stored is not this call's: run() has the program by then.
  Result<Artifact> compile() {
    auto program = build_from_source(spec_);
    if (!program) return std::unexpected(std::move(program).error());
    compiled_ = *std::move(program);
    auto binaries = program_binaries(spec_, compiled_.get());
    if (!binaries) return std::unexpected(std::move(binaries).error());
    if (scan(spec_) != headers_) {
      return std::unexpected(Error{.code = Errc::unsupported,
                                   .message = "a header changed during the build; not stored"});
    }
    return Artifact::copy_of(encode_binaries(*binaries));
  }

  // Empty when the driver refuses them.
  Program from_binaries(const Artifact& artifact) {
    const auto binaries = decode_binaries(artifact.bytes(), spec_.devices.size());
    if (!binaries) return {};
    return build_from_binaries(spec_, *binaries).value_or(Program());
  }

  std::unexpected<Error> refused_in_must_hit() const {
    return std::unexpected(
        Error{.code = Errc::must_hit,
              .message = "entry " + fingerprint_.hex() +
                         ": the OpenCL driver refuses its binary; warm the cache again"});
  }

  Cache& cache_;
  const ProgramSpec& spec_;
  const Headers& headers_;
  const Recipe& recipe_;
  Fingerprint fingerprint_;
  Program compiled_;
};

Result<Program> build_cached(Cache& cache, const ProgramSpec& spec) {
  if (auto checked = check(spec); !checked) return std::unexpected(std::move(checked).error());
  const Headers headers = scan(spec);
  if (!headers.complete) {
    if (cache.mode() != Mode::must_hit) return build_from_source(spec);
    return std::unexpected(
        Error{.code = Errc::must_hit,
              .message = "OpenCL program: its headers cannot be told from its text, so it is never "
                         "cached; include them by plain names"});
  }
  const auto recipe = make_recipe(spec, headers);
  if (!recipe) return std::unexpected(recipe.error());
  const auto fingerprint = recipe->fingerprint();
  if (!fingerprint) return std::unexpected(fingerprint.error());
  return Build(cache, spec, headers, *recipe, *fingerprint).run();
}

}  // namespace

Result<Program> build_program(Cache& cache, const ProgramSpec& spec) {
  try {
    return build_cached(cache, spec);
  } catch (const std::bad_alloc&) {
    return std::unexpected(
        Error{.code = Errc::out_of_memory, .message = "OpenCL program: out of memory; free some"});
  }
}

}  // namespace larder::opencl
