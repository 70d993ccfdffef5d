#include "ops/trained_linear.h"

#include "base/error.h"
#include "kernels/gradient/gradient.h"
#include "ops/aware_linear.h"
#include "ops/operands.h"
#include "ops/tape.h"
#include "ops/trained_operand.h"

namespace octet {
namespace {

using kernels::OperandFormat;

/// The input of one or several linears, as long as their ways back need it.
struct Input {
  Input(const Tensor& x, uint64_t number) : matrix(x), place(x), number(number) {}
  Matrix matrix;
  Place place;
  uint64_t number;
  /// As quantization-aware products multiplied it, made again when it is wanted.
  std::shared_ptr<Input> served;
  kernels::InputFormat format;
};

/// The input that a product multiplied.
Input& input_of(Context& ctx, Input& input, const AwareProduct* aware) {
  if (!aware) return input;
  if (!input.served || !(input.format == aware->input)) {
    const Tensor served = served_input(ctx, input.matrix.values(), aware->input);
    input.served = std::make_shared<Input>(served, ++ctx.tape->operands().inputs);
    input.format = aware->input;
  }
  return *input.served;
}

void add_bias_gradient(Context& ctx, const Tensor& bias, const Tensor& dy) {
  if (bias.empty() || bias.node() < 0) return;
  const int64_t n = bias.size(0);
  Tensor sum = ctx.tape->gradient_to_add(ctx, bias);
  const auto add_row = [&](int64_t row, float* to) { kernels::gradient_kernel().add(dy.f32() + row * n, n, to); };
  kernels::sum_rows(dy.elements() / n, n, add_row, sum.f32(), ctx.threads);
}

/// dx [M,K] = dy [M,N] · w [N,K], summed over outputs.
void add_input_gradient(Context& ctx, Input& input, TrainedWeight& w, const AwareProduct* aware, Matrix& weight,
                        Matrix& dy) {
  if (input.place.node < 0 && !(aware && w.aware->learns_input())) return;
  const OperandFormat left = format_of(ctx, w.recipe.dy, dy, w.dy_amax, true, w, Role::dy);
  if (ctx.tape->counts_misfits) w.dy_misfits.add(count_misfits(dy.rows(), left, ctx.threads));
  const OperandFormat right = format_of(ctx, w.recipe.wt, weight, w.w_amax, false, w, Role::wt);
  Tape::Operands& operands = ctx.tape->operands();
  kernels::pack_operand(operands.right, weight.columns(), right, left, ctx.threads);
  kernels::prepare_operand(operands.left, dy.rows(), left, right, ctx.threads);
  Tensor dx = make_tensor(ctx, input.place.shape);
  kernels::multiply(operands.left, operands.right, nullptr, dx.f32(), w.value.size(1), ctx.threads);
  if (aware) {
    const Tensor served = w.aware->learns_input() ? input_of(ctx, input, aware).matrix.values() : Tensor();
    input_gradient(ctx, *w.aware, *aware, input.matrix.values(), served, dx);
  }
  ctx.tape->add_gradient(ctx, input.place, std::move(dx));
}

/// dw [N,K] = dyᵀ [N,M] · x [M,K], summed over tokens.
void add_weight_gradient(Context& ctx, Input& x, TrainedWeight& w, const AwareProduct* aware, const Matrix& weight,
                         Matrix& dy) {
  if (w.value.node() < 0) return;
  Input& input = input_of(ctx, x, aware);
  const OperandFormat left = format_of(ctx, w.recipe.dyt, dy, w.dy_amax, false, w, Role::dyt);
  const OperandFormat right = format_of(ctx, w.recipe.xt, input.matrix, w.x_amax, false, w, Role::xt);
  Tape::Operands& operands = ctx.tape->operands();
  const bool there =
      operands.input_of == input.number && operands.input_format == right && operands.input_met == left.element;
  if (!there) {
    kernels::pack_operand(operands.input, input.matrix.columns(), right, left, ctx.threads);
    operands.input_of = input.number;
    operands.input_format = right;
    operands.input_met = left.element;
  }
  kernels::prepare_operand(operands.left, dy.columns(), left, right, ctx.threads);
  Tensor dw = make_tensor(ctx, w.value.shape());
  kernels::multiply(operands.left, operands.input, nullptr, dw.f32(), w.value.size(1), ctx.threads);
  if (aware) weight_gradient(ctx, *w.aware, *aware, w.value, weight.values(), dw);
  ctx.tape->add_gradient(ctx, w.value, std::move(dw));
}

Tape::Backward backward_of(std::shared_ptr<Input> input, const Weight& weight, std::shared_ptr<AwareProduct> aware) {
  return [input = std::move(input), weight, aware = std::move(aware)](Context& ctx, const Tensor& dy) {
    TrainedWeight& w = *weight.trained();
    Matrix gradient(dy.reshaped({dy.elements() / w.value.size(0), w.value.size(0)}));
    add_bias_gradient(ctx, weight.bias(), dy);
    Matrix served(aware ? served_values(aware->weight, ctx.threads) : w.value);
    add_input_gradient(ctx, *input, w, aware.get(), served, gradient);
    add_weight_gradient(ctx, *input, w, aware.get(), served, gradient);
  };
}

}  // namespace

std::vector<Tensor> trained_linears(Context& ctx, const Tensor& x, std::span<const Weight* const> weights) {
  if (!ctx.tape) fail("{} is being trained: it needs a tape", weights[0]->module());
  Tape::Operands& operands = ctx.tape->operands();
  const auto input = std::make_shared<Input>(x, ++operands.inputs);
  const int64_t m = x.elements() / x.size(-1);
  std::optional<OperandFormat> prepared;
  std::optional<kernels::InputFormat> prepared_as_served;
  kernels::Element met = kernels::Element::f32;
  std::vector<Tensor> results;
  for (const Weight* weight : weights) {
    TrainedWeight& w = *weight->trained();
    const bool recorded = on_tape(ctx, {&x, &w.value, &weight->bias()});
    Tensor y = make_tensor(ctx, {m, w.value.size(0)});
    const bool counts = recorded && ctx.tape->counts_misfits;
    if (w.aware) {
      auto aware =
          std::make_shared<AwareProduct>(aware_product(ctx, input->matrix.values(), *weight, prepared_as_served, y));
      if (counts) {
        w.x_misfits.add(input_misfits(ctx, *aware, input->matrix.values()));
        w.w_misfits.add(weight_misfits(ctx, *w.aware, *aware, w.value));
      }
      if (recorded) ctx.tape->record(y, backward_of(input, *weight, std::move(aware)));
      results.push_back(std::move(y));
      continue;
    }
    Matrix values(w.value);
    const bool see = ctx.tape->recording();
    const OperandFormat left = format_of(ctx, w.recipe.x, input->matrix, w.x_amax, see, w, Role::x);
    const OperandFormat right = format_of(ctx, w.recipe.w, values, w.w_amax, see, w, Role::w);
    if (counts) {
      w.x_misfits.add(count_misfits(input->matrix.rows(), left, ctx.threads));
      w.w_misfits.add(count_misfits(values.rows(), right, ctx.threads));
    }
    kernels::pack_operand(operands.right, values.rows(), right, left, ctx.threads);
    if (!prepared || !(*prepared == left) || met != right.element) {
      kernels::prepare_operand(operands.left, input->matrix.rows(), left, right, ctx.threads);
      prepared = left;
      met = right.element;
    }
    const float* bias = weight->bias().empty() ? nullptr : weight->bias().f32();
    kernels::multiply(operands.left, operands.right, bias, y.f32(), w.value.size(0), ctx.threads);
    if (recorded) ctx.tape->record(y, backward_of(input, *weight, nullptr));
    results.push_back(std::move(y));
  }
  return results;
}

}  // namespace octet
