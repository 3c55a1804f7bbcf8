// What lets a build of torch for CPUs carry fake tensors on cuda:0; test_fake_card.py compiles and loads it.
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/core/Generator.h>
#include <c10/core/impl/FakeGuardImpl.h>

namespace c10::impl {
static FakeGuardImpl<DeviceType::CUDA> fake_guard;
static DeviceGuardImplRegistrar registrar(DeviceType::CUDA, &fake_guard);
}  // namespace c10::impl

struct FakeGenerator : public c10::GeneratorImpl {
  FakeGenerator() : GeneratorImpl({c10::DeviceType::CUDA, 0}, c10::DispatchKeySet(c10::DispatchKey::CUDA)) {}
  void set_current_seed(uint64_t) override {}
  void set_offset(uint64_t) override {}
  uint64_t get_offset() const override { return 0; }
  uint64_t current_seed() const override { return 0; }
  uint64_t seed() override { return 0; }
  void set_state(const c10::TensorImpl&) override {}
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override { return {}; }
  FakeGenerator* clone_impl() const override { return new FakeGenerator(); }
};

struct FakeCudaHooks : public at::CUDAHooksInterface {
  FakeCudaHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCuDNN() const override { return false; }
  int getNumGPUs() const override { return 1; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex current_device() const override { return 0; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  at::Generator getNewGenerator(c10::DeviceIndex) const override { return at::make_generator<FakeGenerator>(); }
  bool isPinnedPtr(const void*) const override { return false; }
};

namespace at {
C10_REGISTER_TYPED_CLASS(CUDAHooksRegistry, "CUDAHooks", FakeCudaHooks)
}
