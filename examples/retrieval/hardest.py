def draw_hardest(*a): pass
