"""What a model call costs: public prices, own prices, provider usage bodies. Plain Python: no Django, no rows."""
