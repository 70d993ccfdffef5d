#include "ops/trained_operand.h"

#include "ops/tape.h"

namespace octet {

kernels::OperandFormat format_of(Context& ctx, const OperandRecipe& recipe, Matrix& matrix, AmaxHistory& history,
                                 bool see, const TrainedWeight& w, Role role, uint32_t position) {
  constexpr uint32_t kPosition = 1u << 16;  // no model has so many tensors that meet roles
  kernels::OperandFormat format{recipe.element, recipe.sharing, recipe.rule, recipe.group};
  if (recipe.sharing == kernels::Sharing::block) format.lines = recipe.group;
  if (recipe.sharing == kernels::Sharing::tensor) {
    if (recipe.delayed && see) history.see(matrix.largest(ctx));
    format.multiplier = recipe.delayed
                            ? history.multiplier()
                            : kernels::multiplier_of(recipe.element, recipe.rule, matrix.largest(ctx)).multiplier;
  }
  if (recipe.stochastic) {
    const uint32_t tensor = w.number * static_cast<uint32_t>(Role::kCount) + static_cast<uint32_t>(role);
    format.random.emplace(ctx.tape ? ctx.tape->seed : 0, ctx.tape ? ctx.tape->step : 0, tensor + position * kPosition);
  }
  return format;
}

}  // namespace octet
