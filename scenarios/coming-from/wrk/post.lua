-- A POST with a body.

return {
  main = function(user)
    user:post("/echo", { form = { foo = "bar", baz = "quux" } })
  end,
}
